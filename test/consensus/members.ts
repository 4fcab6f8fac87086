import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { etcd } from '@regent/contract/etcd.ts'
import { writeCertificates } from '../cluster/certificates.ts'
import { apply, kubectl, kubectlJson, mustKubectl } from '../cluster/kubectl.ts'
import { waitFor } from '../cluster/wait-for.ts'

const namespace = 'regent-system'

interface Pod {
  readonly metadata: { readonly name: string; readonly uid: string }
  readonly spec: { readonly nodeName?: string }
  readonly status: { readonly conditions?: readonly { readonly type: string; readonly status: string }[] }
}

/** A member of etcd as Kubernetes sees it. */
export interface Member {
  readonly name: string
  readonly uid: string
  readonly node: string | undefined
  readonly ready: boolean
}

/** The members' pods, by their ordinal. */
export async function members(): Promise<readonly Member[]> {
  const selector = 'app.kubernetes.io/name=regent-consensus'
  const { items } = await kubectlJson<{ items: readonly Pod[] }>(['get', 'pods', '-n', namespace, '-l', selector])
  return items
    .map(({ metadata, spec, status }) => ({
      name: metadata.name,
      uid: metadata.uid,
      node: spec.nodeName,
      ready: status.conditions?.some(({ type, status: is }) => type === 'Ready' && is === 'True') ?? false,
    }))
    .sort((a, b) => (a.name < b.name ? -1 : 1))
}

/** Waits until exactly so many members are Ready. A member is Ready only with a quorum. */
export function readyMembers(count: number, seconds = 120): Promise<readonly Member[]> {
  return waitFor(
    `${count} members of etcd`,
    async () => {
      const found = await members()
      return found.length === count && found.every(({ ready }) => ready) && found
    },
    { seconds, everyMilliseconds: 500 },
  )
}

/** Runs etcdctl in a member's pod, against that member. @throws with what etcdctl said */
export async function etcdctl(member: string, args: readonly string[], tls = false): Promise<string> {
  const endpoint = tls ? `https://${member}.regent-consensus-peers.${namespace}.svc` : 'http://localhost'
  const files = '/etc/etcd/server-tls'
  const proof = tls ? [`--cacert=${files}/ca.crt`, `--cert=${files}/tls.crt`, `--key=${files}/tls.key`] : []
  const command = ['etcdctl', `--endpoints=${endpoint}:${etcd.ports.client.number}`, '--command-timeout=5s', ...proof]
  return (await mustKubectl(['exec', member, '-n', namespace, '-c', etcd.name, '--', ...command, ...args])).trim()
}

/**
 * Writes at a member while others come and go. What was on its way to a leader that is gone is lost with it, so it is
 * asked for again, as clients of etcd do.
 */
export async function put(member: string, key: string, value: string): Promise<void> {
  await waitFor(`'${key}' written at ${member}`, async () => (await etcdctl(member, ['put', key, value])) === 'OK')
}

/** How many members etcd itself counts. */
export async function countedMembers(member: string, tls = false): Promise<number> {
  const { members: counted } = JSON.parse(await etcdctl(member, ['member', 'list', '-w', 'json'], tls)) as {
    members: readonly object[]
  }
  return counted.length
}

/** The Secrets that an environment with TLS expects, with names of every member and signed by one authority. */
export async function createTlsSecrets(count: number): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'regent-etcd-tls-'))
  try {
    const peers = Array.from(
      { length: count },
      (_, ordinal) => `regent-consensus-${ordinal}.regent-consensus-peers.${namespace}.svc`,
    )
    const path = await writeCertificates(folder, [
      { file: 'peer', commonName: 'regent-consensus-peer', names: peers },
      { file: 'server', commonName: 'regent-consensus-server', names: [...peers, `regent-consensus.${namespace}.svc`] },
      { file: 'client', commonName: 'regent-control-plane' },
      { file: 'root', commonName: 'root' },
    ])
    const read = (file: string) => readFileSync(path(file)).toString('base64')
    await apply(
      ['peer', 'server', 'client', 'root'].map((name) => ({
        apiVersion: 'v1',
        kind: 'Secret',
        metadata: { name: `regent-consensus-${name}-tls`, namespace },
        type: 'kubernetes.io/tls',
        data: { 'ca.crt': read('ca.crt'), 'tls.crt': read(`${name}.crt`), 'tls.key': read(`${name}.key`) },
      })),
    )
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

/** Ends a pod at once, as a crash of its node would. */
export async function killPod(name: string): Promise<void> {
  await kubectl(['delete', 'pod', name, '-n', namespace, '--grace-period=0', '--force', '--wait=false'])
}
