import { randomBytes } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { createServer, type AddressInfo } from 'node:net'
import { join } from 'node:path'
import { binary, type KubernetesRelease } from './binaries.ts'
import { controlPlaneCertificates, writeCertificates } from './certificates.ts'
import { removeAbandoned, removeCluster } from './cleanup.ts'
import { run } from './command-line.ts'
import { API_SERVICE_ADDRESS, startControlPlane, type ControlPlane } from './control-plane.ts'
import { clustersFolder, Journal, KEPT, MEMBER_VARIABLE } from './journal.ts'
import { writeKubeconfig } from './kubeconfig.ts'
import { say, stage } from './progress.ts'
import type { ClusterState } from './state.ts'
import { Stop, waitFor } from './wait-for.ts'

export interface ClusterOptions {
  readonly kind: 'api' | 'nodes'
  /** @default newest */
  readonly release?: KubernetesRelease
  /** Of kind `nodes`. @default 2 */
  readonly nodes?: number
}

export interface StartedCluster {
  readonly state: ClusterState
  readonly stateFile: string
  /** Removes everything. Also right while the cluster starts: the start then fails. */
  remove(): Promise<void>
}

/** Announces the cluster before its first process, so that an interrupted start can be removed. */
export type OnCreated = (remove: () => Promise<void>) => void

/** Starts a cluster and waits until pods can be created in it. Removes what an earlier, killed run left. */
export async function startCluster(options: ClusterOptions, onCreated: OnCreated): Promise<StartedCluster> {
  const left = await removeAbandoned()
  if (left > 0) say(`  removed ${left} cluster(s) that a killed run left`)
  const id = randomBytes(4).toString('hex')
  // Whatever is started from here on inherits the mark, also the tests.
  process.env[MEMBER_VARIABLE] = id
  const journal = Journal.create(join(clustersFolder(), id))
  const remove = (): Promise<void> => {
    journal.close()
    return stage('remove the cluster', () => removeCluster(journal.folder))
  }
  onCreated(remove)
  const state = await (options.kind === 'api'
    ? startApi(id, journal, options.release ?? 'newest')
    : (await import('./nodes.ts')).startNodes(id, journal, options.nodes ?? 2))
  const stateFile = join(journal.folder, 'state.json')
  writeFileSync(stateFile, JSON.stringify(state, null, 2))
  return { state, stateFile, remove }
}

/** A control plane on the loopback interface: no root, no nodes. */
async function startApi(id: string, journal: Journal, release: KubernetesRelease): Promise<ClusterState> {
  const { folder } = journal
  const kubectl = await binary('kubectl')
  const etcdctl = await binary('etcdctl')
  // Built before the clock of the next stage starts.
  for (const name of ['etcd', 'kube-apiserver', 'kube-controller-manager'] as const) await binary(name, release)
  return stage(`start the control plane (${release})`, async () => {
    const certificate = await writeCertificates(folder, controlPlaneCertificates(['127.0.0.1', API_SERVICE_ADDRESS]))
    const [server = 0, etcd = 0, etcdPeer = 0] = await freePorts(3)
    const place = { enter: [], address: '127.0.0.1', ports: { server, etcd, etcdPeer } }
    const kubeconfig = await writeKubeconfig(
      join(folder, 'kubeconfig'),
      `https://127.0.0.1:${server}`,
      certificate,
      'admin',
    )
    const controlPlane = await startControlPlane(journal, place, certificate, release)
    await waitUntilReady(controlPlane, kubectl, kubeconfig)
    const { auditLog } = controlPlane
    return { id, kind: 'api', release, folder, kubeconfig, kubectl, etcdctl, auditLog, nodes: [] }
  })
}

/** Ready is when a pod could be created: the last thing to appear for that is the default ServiceAccount. */
export async function waitUntilReady(controlPlane: ControlPlane, kubectl: string, kubeconfig: string): Promise<void> {
  const answered = (what: string, ...args: readonly string[]): Promise<boolean> =>
    waitFor(
      what,
      async () => {
        try {
          controlPlane.assertRunning()
        } catch (error) {
          throw new Stop(error)
        }
        const { exitCode, stderr } = await run([kubectl, '--kubeconfig', kubeconfig, 'get', ...args])
        if (exitCode !== 0) throw new Error(stderr)
        return true
      },
      { seconds: 90 },
    )
  await answered('ready API server', '--raw=/readyz')
  await controlPlane.startControllers()
  await answered('default ServiceAccount', 'serviceaccount', 'default', '--namespace=default')
}

/** Ports that nobody listens on. Held open together, so that they differ. */
async function freePorts(count: number): Promise<readonly number[]> {
  const servers = Array.from({ length: count }, () => createServer())
  const ports = await Promise.all(
    servers.map(
      (server) =>
        new Promise<number>((resolve, reject) => {
          server.once('error', reject)
          server.listen(0, '127.0.0.1', () => resolve((server.address() as AddressInfo).port))
        }),
    ),
  )
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))))
  return ports
}

/** Marks a cluster as a person's: it stays when the process that started it ends. */
export function keep({ folder }: ClusterState): void {
  writeFileSync(join(folder, KEPT), '')
}
