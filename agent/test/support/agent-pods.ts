import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { CoreV1Api } from '@kubernetes/client-node'
import { connection } from '../../../test/cluster/api-request.ts'
import { kubectlJson } from '../../../test/cluster/kubectl.ts'
import { tokenOf } from '../../../test/cluster/service-account.ts'
import { waitFor } from '../../../test/cluster/wait-for.ts'
import type { ApiServer } from '../../src/election/api-server.ts'
import { clientConfig } from '../../src/kubernetes/client.ts'

/** A pod of the environment `local`, with the token that its kubelet would mount. Nothing runs in it. */
export interface AgentPod {
  readonly name: string
  readonly uid: string
  /** As the Lease would hold it. */
  readonly identity: string
  readonly api: ApiServer
  readonly core: CoreV1Api
}

/** The three pods of the agent, once their ReplicaSet has made them. @param folder for their tokens */
export async function agentPods(folder: string): Promise<readonly AgentPod[]> {
  const [namespace, account] = ['regent-system', 'regent-agent-local']
  const selector = 'app.kubernetes.io/name=regent-agent'
  const items = await waitFor('pods of the agent', async () => {
    const found = await kubectlJson<{ items: { metadata: { name: string; uid: string } }[] }>([
      'get',
      'pods',
      '-n',
      namespace,
      '-l',
      selector,
    ])
    return found.items.length === 3 && found.items
  })
  const { server, authority } = await connection()
  return Promise.all(
    items.map(async ({ metadata: { name, uid } }) => {
      const tokenFile = join(folder, name)
      writeFileSync(tokenFile, await tokenOf(namespace, account, { pod: { name, uid } }))
      const api = { host: server.hostname, port: Number(server.port), tokenFile, caFile: authority?.file ?? '' }
      return {
        name,
        uid,
        identity: `${name}_${uid}_6f1c6a52-0000-4000-8000-000000000001`,
        api,
        core: clientConfig(api).makeApiClient(CoreV1Api),
      }
    }),
  )
}
