import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { binary, type KubernetesRelease } from './binaries.ts'
import type { CertificatePath } from './certificates.ts'
import type { Identity } from './identity.ts'
import type { Journal } from './journal.ts'
import { writeKubeconfig } from './kubeconfig.ts'
import { assertRunning, startProcess } from './processes.ts'

/** Where the control plane runs: on this machine's loopback, or in a network namespace. */
export interface ControlPlanePlace {
  /** What the programs are started with, to get there. Empty for this machine. */
  readonly enter: readonly string[]
  /** Where the API server listens and what it tells nodes and pods. */
  readonly address: string
  readonly ports: { readonly server: number; readonly etcd: number; readonly etcdPeer: number }
}

export interface ControlPlane {
  readonly auditLog: string
  /**
   * Starts the controller manager and the scheduler, once the API server is ready: they give up on one that takes
   * longer than 10 s to let them in, which a busy machine may need.
   */
  startControllers(): Promise<void>
  /** @throws with the log of the part that ended, if one did */
  assertRunning(): void
}

export const SERVICE_RANGE = '10.96.0.0/16'
/** The address of the service `kubernetes`: always the first of the range. */
export const API_SERVICE_ADDRESS = '10.96.0.1'
export const DNS_SERVICE_ADDRESS = '10.96.0.10'

/** Who did what to which object; bodies would make the log too large to read during a test. */
const AUDIT_POLICY = {
  apiVersion: 'audit.k8s.io/v1',
  kind: 'Policy',
  omitStages: ['RequestReceived'],
  rules: [{ level: 'Metadata' }],
}

/** Starts etcd and the API server without waiting for either of them. */
export async function startControlPlane(
  journal: Journal,
  place: ControlPlanePlace,
  certificate: CertificatePath,
  release: KubernetesRelease,
): Promise<ControlPlane> {
  const folder = join(journal.folder, 'control-plane')
  mkdirSync(folder)
  const running = new Map<string, Identity>()
  const start = (name: string, file: string, args: readonly string[]): void => {
    running.set(name, startProcess(journal, name, [...place.enter, file, ...args]))
  }

  start('etcd', await binary('etcd', release), etcdArguments(folder, place))
  const auditLog = join(folder, 'audit.log')
  writeFileSync(auditLog, '')
  start(
    'kube-apiserver',
    await binary('kube-apiserver', release),
    serverArguments(folder, place, certificate, auditLog),
  )
  const url = `https://127.0.0.1:${place.ports.server}`
  return {
    auditLog,
    startControllers: async () => {
      for (const name of ['kube-controller-manager', 'kube-scheduler'] as const) {
        const kubeconfig = await writeKubeconfig(join(folder, `${name}.kubeconfig`), url, certificate, name)
        const args = name === 'kube-scheduler' ? [] : controllerArguments(folder, certificate)
        start(name, await binary(name), [...args, ...CLIENT_ARGUMENTS, `--kubeconfig=${kubeconfig}`])
      }
    },
    assertRunning: () => {
      for (const [name, identity] of running) assertRunning(journal.folder, name, identity)
    },
  }
}

/** One of each, so nobody to elect; no port of their own, so none to collide; tests make many requests at once. */
const CLIENT_ARGUMENTS = ['--leader-elect=false', '--secure-port=0', '--kube-api-qps=200', '--kube-api-burst=400']

function etcdArguments(folder: string, { ports }: ControlPlanePlace): readonly string[] {
  const peer = `http://127.0.0.1:${ports.etcdPeer}`
  return [
    `--data-dir=${join(folder, 'etcd')}`,
    `--listen-client-urls=http://127.0.0.1:${ports.etcd}`,
    `--advertise-client-urls=http://127.0.0.1:${ports.etcd}`,
    `--listen-peer-urls=${peer}`,
    `--initial-advertise-peer-urls=${peer}`,
    `--initial-cluster=default=${peer}`,
    // The data is thrown away with the cluster: nobody needs it on the disk.
    '--unsafe-no-fsync',
    '--log-level=warn',
  ]
}

function serverArguments(
  folder: string,
  place: ControlPlanePlace,
  certificate: CertificatePath,
  auditLog: string,
): readonly string[] {
  const policy = join(folder, 'audit-policy.json')
  writeFileSync(policy, JSON.stringify(AUDIT_POLICY))
  const loopback = place.enter.length === 0
  return [
    `--etcd-servers=http://127.0.0.1:${place.ports.etcd}`,
    `--bind-address=${loopback ? '127.0.0.1' : '0.0.0.0'}`,
    `--secure-port=${place.ports.server}`,
    `--advertise-address=${place.address}`,
    // A loopback address is refused as an endpoint, and without nodes nobody needs the endpoint.
    `--endpoint-reconciler-type=${loopback ? 'none' : 'lease'}`,
    `--service-cluster-ip-range=${SERVICE_RANGE}`,
    '--authorization-mode=Node,RBAC',
    '--enable-admission-plugins=NodeRestriction',
    '--allow-privileged=true',
    `--tls-cert-file=${certificate('kube-apiserver.crt')}`,
    `--tls-private-key-file=${certificate('kube-apiserver.key')}`,
    `--client-ca-file=${certificate('ca.crt')}`,
    `--kubelet-certificate-authority=${certificate('ca.crt')}`,
    `--kubelet-client-certificate=${certificate('kubelet-client.crt')}`,
    `--kubelet-client-key=${certificate('kubelet-client.key')}`,
    '--kubelet-preferred-address-types=InternalIP',
    '--service-account-issuer=https://kubernetes.default.svc.cluster.local',
    `--service-account-key-file=${certificate('service-account.pub')}`,
    `--service-account-signing-key-file=${certificate('service-account.key')}`,
    // Aggregated API servers (metrics) trust the API server by this; it reaches them and webhooks by pod address,
    // because no kube-proxy runs beside it.
    `--requestheader-client-ca-file=${certificate('ca.crt')}`,
    '--requestheader-allowed-names=front-proxy-client',
    '--requestheader-extra-headers-prefix=X-Remote-Extra-',
    '--requestheader-group-headers=X-Remote-Group',
    '--requestheader-username-headers=X-Remote-User',
    `--proxy-client-cert-file=${certificate('front-proxy.crt')}`,
    `--proxy-client-key-file=${certificate('front-proxy.key')}`,
    '--enable-aggregator-routing=true',
    `--audit-policy-file=${policy}`,
    `--audit-log-path=${auditLog}`,
    '--profiling=false',
  ]
}

function controllerArguments(folder: string, certificate: CertificatePath): readonly string[] {
  return [
    '--use-service-account-credentials=true',
    // By default it makes a folder in /usr.
    `--flex-volume-plugin-dir=${join(folder, 'volume-plugins')}`,
    `--root-ca-file=${certificate('ca.crt')}`,
    `--service-account-private-key-file=${certificate('service-account.key')}`,
    `--cluster-signing-cert-file=${certificate('ca.crt')}`,
    `--cluster-signing-key-file=${certificate('ca.key')}`,
    // A lost node is noticed after 16 s instead of 50: the kubelets here report every 4 s and not every 10.
    '--node-monitor-period=2s',
    '--node-monitor-grace-period=16s',
    // An autoscaler brings a Deployment to its minimum after one such period, 15 s by default.
    '--horizontal-pod-autoscaler-sync-period=1s',
  ]
}
