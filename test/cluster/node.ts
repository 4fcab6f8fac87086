import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { binary } from './binaries.ts'
import type { CertificatePath } from './certificates.ts'
import { makeControlGroup } from './control-groups.ts'
import { CONTROL_PLANE_ADDRESS, type NodeNetwork } from './network.ts'
import { DNS_SERVICE_ADDRESS } from './control-plane.ts'
import { PAUSE_REFERENCE } from './images.ts'
import type { Journal } from './journal.ts'
import { writeKubeconfig } from './kubeconfig.ts'
import { NETWORK_PLUGINS } from './machine.ts'
import { startProcess } from './processes.ts'
import { entering, runIn, type Space } from './space.ts'
import { waitFor } from './wait-for.ts'

const SOCKET = '/run/containerd/containerd.sock'
/** Inside the control plane's network, where its port is nobody else's. */
export const SERVER_PORT = 6443

/** Starts containerd in a node and waits until it answers. */
export async function startContainerd(journal: Journal, space: Space, plan: NodeNetwork): Promise<void> {
  const folder = join(journal.folder, space.name)
  mkdirSync(join(folder, 'network'))
  const network = {
    cniVersion: '0.4.0',
    name: 'regent',
    plugins: [
      // A routed cable per pod and no bridge: traffic between two pods of a node then passes the rules of Services.
      {
        type: 'ptp',
        mtu: 1500,
        ipam: { type: 'host-local', ranges: [[{ subnet: plan.podRange }]], routes: [{ dst: '0.0.0.0/0' }] },
      },
      { type: 'portmap', capabilities: { portMappings: true } },
    ],
  }
  writeFileSync(join(folder, 'network', '10-regent.conflist'), JSON.stringify(network))
  const configuration = join(folder, 'containerd.toml')
  writeFileSync(configuration, containerdConfiguration(join(folder, 'network')))
  startProcess(journal, `${space.name}-containerd`, [...entering(space), 'containerd', '--config', configuration])
  await waitFor(
    `containerd of ${space.name}`,
    () => runIn(space, ['ctr', '--connect-timeout=1s', 'version']).then(() => true),
    { seconds: 30 },
  )
}

function containerdConfiguration(network: string): string {
  return `version = 2
disabled_plugins = ["io.containerd.snapshotter.v1.btrfs", "io.containerd.snapshotter.v1.zfs", "io.containerd.snapshotter.v1.devmapper"]
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "${PAUSE_REFERENCE}"
  # A machine without CAP_SYS_RESOURCE, such as a container of CI, may not lower the score.
  restrict_oom_score_adj = true
[plugins."io.containerd.grpc.v1.cri".containerd]
  snapshotter = "overlayfs"
  default_runtime_name = "runc"
[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
  runtime_type = "io.containerd.runc.v2"
[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
  SystemdCgroup = false
[plugins."io.containerd.grpc.v1.cri".cni]
  bin_dir = "${NETWORK_PLUGINS}"
  conf_dir = "${network}"
`
}

/** Under which the journal and the logs know a node's kubelet. */
export function kubeletName(node: string): string {
  return `${node}-kubelet`
}

/** Writes the configuration of the kubelet and of kube-proxy, starts both and returns what starts the kubelet again. */
export async function startNodeAgents(
  journal: Journal,
  space: Space,
  plan: NodeNetwork,
  certificate: CertificatePath,
): Promise<readonly string[]> {
  const folder = join(journal.folder, space.name)
  const server = `https://${CONTROL_PLANE_ADDRESS}:${SERVER_PORT}`
  const write = (name: string, content: object): string => {
    const file = join(folder, name)
    writeFileSync(file, JSON.stringify(content, null, 2))
    return file
  }
  writeFileSync(join(folder, 'resolv.conf'), '')
  const kubelet = write('kubelet.json', kubeletConfiguration(journal, space.name, folder, certificate))
  const kubeletUser = await writeKubeconfig(join(folder, 'kubelet.kubeconfig'), server, certificate, space.name)
  const proxyUser = await writeKubeconfig(join(folder, 'kube-proxy.kubeconfig'), server, certificate, 'kube-proxy')
  const proxy = write('kube-proxy.json', proxyConfiguration(proxyUser))
  const command = kubeletCommand(space, plan, await binary('kubelet'), kubelet, kubeletUser)
  startProcess(journal, kubeletName(space.name), command)
  startProcess(journal, `${space.name}-kube-proxy`, [
    ...entering(space),
    await binary('kube-proxy'),
    `--config=${proxy}`,
    `--hostname-override=${space.name}`,
  ])
  return command
}

function kubeletCommand(
  space: Space,
  plan: NodeNetwork,
  file: string,
  configuration: string,
  kubeconfig: string,
): readonly string[] {
  const labels = {
    'topology.kubernetes.io/region': 'test',
    'topology.kubernetes.io/zone': `zone-${space.name.slice(5)}`,
  }
  return [
    ...entering(space),
    file,
    `--config=${configuration}`,
    `--kubeconfig=${kubeconfig}`,
    `--hostname-override=${space.name}`,
    `--node-ip=${plan.address}`,
    `--node-labels=${Object.entries(labels)
      .map((pair) => pair.join('='))
      .join()}`,
  ]
}

function kubeletConfiguration(
  journal: Journal,
  node: string,
  folder: string,
  certificate: CertificatePath,
): Record<string, unknown> {
  return {
    apiVersion: 'kubelet.config.k8s.io/v1beta1',
    kind: 'KubeletConfiguration',
    authentication: {
      anonymous: { enabled: false },
      webhook: { enabled: true },
      x509: { clientCAFile: certificate('ca.crt') },
    },
    authorization: { mode: 'Webhook' },
    tlsCertFile: certificate(`${node}.crt`),
    tlsPrivateKeyFile: certificate(`${node}.key`),
    containerRuntimeEndpoint: `unix://${SOCKET}`,
    cgroupDriver: 'cgroupfs',
    cgroupRoot: makeControlGroup(journal, `regent-${journal.folder.split('/').at(-1) ?? ''}/${node}`),
    enforceNodeAllocatable: ['pods'],
    failCgroupV1: false,
    failSwapOn: false,
    clusterDomain: 'cluster.local',
    clusterDNS: [DNS_SERVICE_ADDRESS],
    // There is no name server to fall back to.
    resolvConf: join(folder, 'resolv.conf'),
    volumePluginDir: '/var/lib/kubelet/volume-plugins',
    // The disk is this machine's: how full it is must not evict pods of a test, nor remove images.
    evictionHard: { 'memory.available': '100Mi', 'nodefs.available': '0%', 'imagefs.available': '0%' },
    imageGCHighThresholdPercent: 100,
    // A node reports more often than by default, so that a lost one is noticed sooner: control-plane.ts.
    nodeStatusUpdateFrequency: '4s',
    nodeLeaseDurationSeconds: 12,
    serializeImagePulls: false,
    registryPullQPS: 0,
    eventRecordQPS: 0,
    kubeAPIQPS: 100,
    kubeAPIBurst: 200,
  }
}

function proxyConfiguration(kubeconfig: string): object {
  return {
    apiVersion: 'kubeproxy.config.k8s.io/v1alpha1',
    kind: 'KubeProxyConfiguration',
    mode: 'iptables',
    clusterCIDR: '10.244.0.0/16',
    clientConnection: { kubeconfig, qps: 100, burst: 200 },
    healthzBindAddress: '127.0.0.1:10256',
    metricsBindAddress: '127.0.0.1:10249',
    // Zero leaves the kernel's limits alone: they are this machine's.
    conntrack: { maxPerCore: 0, min: 0, tcpEstablishedTimeout: '0s', tcpCloseWaitTimeout: '0s' },
    iptables: { minSyncPeriod: '0s', syncPeriod: '30s' },
  }
}
