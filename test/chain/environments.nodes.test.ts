import { afterAll, afterEach, beforeAll, expect, test } from '@jest/globals'
import { agentImage } from '../../agent/image/declaration.ts'
import { controlPlaneImage } from '../../control-plane/image/declaration.ts'
import { apiPrefix, type CommandResource } from '@regent/contract/api.ts'
import { controlPlane } from '@regent/contract/control-plane.ts'
import { controlPlaneAudience } from '@regent/contract/names.ts'
import { machineArchitecture } from '../../images/platform.ts'
import { builtImage } from '../../images/test/built-image.ts'
import { etcdImage, importArchive, importImage } from '../cluster/images.ts'
import { kubectlJson, mustKubectl } from '../cluster/kubectl.ts'
import { tokenOf } from '../cluster/service-account.ts'
import { runIn } from '../cluster/space.ts'
import { cluster } from '../cluster/state.ts'
import { waitFor } from '../cluster/wait-for.ts'
import { applyEnvironment, removeEnvironments } from '../delivery/environment.ts'

// The committed manifests with the images of the programs, and nothing else: what a person gets who applies them.

const namespace = 'regent-system'

beforeAll(async () => {
  const agent = await builtImage(agentImage)
  const own = await builtImage(controlPlaneImage, [machineArchitecture()])
  await importImage(cluster(), await etcdImage('gcr.io/etcd-development/etcd:v3.6.16'))
  for (const { archive } of [agent, own]) await Promise.all(cluster().nodes.map((node) => importArchive(node, archive)))
  await removeEnvironments()
}, 900_000)
afterEach(removeEnvironments)
afterAll(removeEnvironments)

/** Asks the API at its Service, from a node, as the first administrator does. */
async function ask(method: string, path: string, body?: unknown): Promise<unknown> {
  const [node] = cluster().nodes
  if (node === undefined) throw new Error('the cluster has no node')
  const bearer = await tokenOf(namespace, 'regent-admin', { audiences: [controlPlaneAudience] })
  const service = await kubectlJson<{ spec: { clusterIP: string } }>([
    'get',
    'service',
    'regent-control-plane',
    '-n',
    namespace,
  ])
  const url = `http://${service.spec.clusterIP}:${controlPlane.ports.api.number}${apiPrefix}${path}`
  const headers = {
    authorization: `Bearer ${bearer}`,
    connection: 'close',
    ...(body !== undefined && { 'content-type': 'application/json' }),
  }
  // By standard input: arguments can be read by everybody on the machine.
  const program = `
    const response = await fetch(${JSON.stringify(url)}, ${JSON.stringify({ method, headers, body: JSON.stringify(body) })})
    if (!response.ok) throw new Error(response.status + await response.text())
    process.stdout.write(await response.text())`
  return JSON.parse(await runIn(node, [process.execPath, '--input-type=module', '-'], program))
}

test.each([
  ['dev', 1],
  ['local', 3],
])('%s: every pod becomes ready, the agent registers by itself, and a command is done', async (environment, agents) => {
  await applyEnvironment(environment)
  const workloads = [
    'statefulset/regent-consensus',
    'deployment/regent-control-plane',
    `deployment/regent-agent-${environment}`,
  ]
  for (const workload of workloads) {
    try {
      await mustKubectl(['rollout', 'status', workload, '-n', namespace, '--timeout=110s'], { seconds: 120 })
    } catch (error) {
      const said = await mustKubectl(['logs', '-n', namespace, workload, '--tail=20', '--prefix']).catch(String)
      throw new Error(`${workload} did not become ready; it says:\n${said}`, { cause: error })
    }
  }
  const { items } = await kubectlJson<{
    items: { status: { phase: string; containerStatuses: { restartCount: number }[] } }[]
  }>(['get', 'pods', '-n', namespace])
  expect(items.filter(({ status }) => status.phase !== 'Running')).toEqual([])
  const ofAgents = await kubectlJson<{ items: unknown[] }>([
    'get',
    'pods',
    '-n',
    namespace,
    '-l',
    'app.kubernetes.io/name=regent-agent',
  ])
  expect(ofAgents.items).toHaveLength(agents)
  // None crashed because something that it needs was not there yet.
  expect(items.flatMap(({ status }) => status.containerStatuses.map(({ restartCount }) => restartCount))).toEqual(
    items.map(() => 0),
  )

  await waitFor('registration', async () => {
    const { health } = (await ask('GET', `/agents/${environment}`)) as { health: string }
    return health === 'online' || Promise.reject(new Error(health))
  })
  const given = (await ask('POST', `/agents/${environment}/commands`, { action: 'describe' })) as CommandResource
  const ended = await waitFor('end of the command', async () => {
    const path = `/agents/${environment}/commands/${given.commandId}`
    const command = (await ask('GET', path)) as CommandResource
    return command.finishedAt === undefined ? Promise.reject(new Error(command.state)) : command
  })
  expect(ended).toMatchObject({ state: 'done', deliveries: 1 })
  expect(JSON.stringify(ended.result)).toContain(`regent-agent-${environment}-`)
})
