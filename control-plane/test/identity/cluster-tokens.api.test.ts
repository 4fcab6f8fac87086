import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { recordedLog } from '@regent/runtime/test/support/recorded-log.ts'
import { connection } from '../../../test/cluster/api-request.ts'
import { apply, kubectl, kubectlJson, mustKubectl } from '../../../test/cluster/kubectl.ts'
import { tokenOf } from '../../../test/cluster/service-account.ts'
import { waitFor } from '../../../test/cluster/wait-for.ts'
import { removeEnvironments } from '../../../test/delivery/environment.ts'
import { Agents } from '../../src/identity/agents.ts'
import { apiServerKeys } from '../../src/identity/api-server-keys.ts'
import { KeySet } from '../../src/identity/key-set.ts'
import { People } from '../../src/identity/people.ts'
import { ServiceAccountTokens } from '../../src/identity/service-account-tokens.ts'

const namespace = 'regent-system'
const audiences = ['regent-control-plane']

describe('tokens of a real API server', () => {
  const folder = mkdtempSync(join(tmpdir(), 'regent-identity-'))
  const [tokenFile, caFile] = [join(folder, 'token'), join(folder, 'ca.crt')]
  let agents: Agents
  let people: People
  let pod: { readonly name: string; readonly uid: string }

  beforeAll(async () => {
    await removeEnvironments()
    await apply({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: namespace } })
    const accounts = ['regent-control-plane', 'regent-agent-local', 'regent-admin', 'regent-consensus']
    for (const name of accounts) {
      await apply({ apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name, namespace } })
    }
    await apply({ apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name: 'regent-admin', namespace: 'default' } })
    const image = { name: 'none', image: 'registry.invalid/none' }
    await waitFor('a pod', async () => {
      const spec = { serviceAccountName: 'regent-agent-local', containers: [image] }
      await apply({ apiVersion: 'v1', kind: 'Pod', metadata: { name: 'agent-0', namespace }, spec })
      return true
    })
    const { metadata } = await kubectlJson<{ metadata: { name: string; uid: string } }>([
      'get',
      'pod',
      'agent-0',
      '-n',
      namespace,
    ])
    pod = { name: metadata.name, uid: metadata.uid }
    const { server, authority } = await connection()
    // What the pod of the control plane has mounted: its own token is for the API server.
    writeFileSync(tokenFile, await tokenOf(namespace, 'regent-control-plane'))
    writeFileSync(caFile, authority?.pem ?? '')
    const source = apiServerKeys({ host: server.hostname, port: Number(server.port), tokenFile, caFile })
    const serviceAccounts = new ServiceAccountTokens({ keys: new KeySet({ source, log: recordedLog().log }) })
    const none = { check: () => Promise.reject(new Error('no store')) }
    agents = new Agents({ keys: none, serviceAccounts })
    people = new People({ tokens: none, serviceAccounts })
  })
  afterAll(async () => {
    rmSync(folder, { recursive: true })
    await mustKubectl(['delete', 'serviceaccount', 'regent-admin', '-n', 'default'])
    await removeEnvironments()
  })

  test('say which agent it is, and in which pod', async () => {
    const token = await tokenOf(namespace, 'regent-agent-local', { audiences, pod })
    const { expiresAt, ...identity } = await agents.identify(token)
    expect(identity).toEqual({ agentId: 'local', by: 'serviceAccount', pod })
    const life = (expiresAt?.getTime() ?? 0) - Date.now()
    expect(life).toBeGreaterThan(3000_000)
    expect(life).toBeLessThan(3700_000)
  })

  test('are refused where they are for the API server', async () => {
    const token = await tokenOf(namespace, 'regent-agent-local', { pod })
    await expect(agents.identify(token)).rejects.toMatchObject({ reason: 'audience' })
  })

  test('are refused where they are of somebody who is no agent', async () => {
    for (const [where, account] of [
      [namespace, 'regent-consensus'],
      [namespace, 'regent-admin'],
      ['default', 'default'],
    ] as const) {
      const token = await tokenOf(where, account, { audiences })
      await expect(agents.identify(token)).rejects.toMatchObject({ reason: 'subject' })
    }
  })

  test('count until they expire, whether their pod lives or not: what an old pod does the fence refuses', async () => {
    const token = await tokenOf(namespace, 'regent-agent-local', { audiences, pod })
    await mustKubectl(['delete', 'pod', pod.name, '-n', namespace, '--force', '--grace-period=0'])
    expect(await agents.identify(token)).toMatchObject({ pod })
    await expect(tokenOf(namespace, 'regent-agent-local', { audiences, pod })).rejects.toThrow('not found')
  })

  test('make an administrator, as the documentation says it', async () => {
    const command = ['create', 'token', 'regent-admin', '-n', namespace, '--audience', 'regent-control-plane']
    const token = (await mustKubectl(command)).trim()
    expect(await people.identify(token)).toMatchObject({
      name: 'system:serviceaccount:regent-system:regent-admin',
      role: 'admin',
      by: 'kubernetes',
    })
    await expect(agents.identify(token)).rejects.toMatchObject({ reason: 'subject' })
  })

  test('make nobody else an administrator', async () => {
    const others = [
      await tokenOf(namespace, 'regent-agent-local', { audiences }),
      await tokenOf(namespace, 'regent-control-plane', { audiences }),
      await tokenOf('default', 'regent-admin', { audiences }),
    ]
    for (const token of others) await expect(people.identify(token)).rejects.toMatchObject({ reason: 'subject' })
    const own = await tokenOf(namespace, 'regent-admin')
    await expect(people.identify(own)).rejects.toMatchObject({ reason: 'audience' })
  })

  test('need no right beside those that every ServiceAccount has', async () => {
    const token = await tokenOf(namespace, 'regent-control-plane')
    const { stdout } = await kubectl(['auth', 'can-i', 'create', 'tokenreviews.authentication.k8s.io'], { token })
    expect(stdout.trim()).toBe('no')
  })
})
