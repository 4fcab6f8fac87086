import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { binary } from './binaries.ts'
import { type CertificatePath, controlPlaneCertificates, nodeCertificate, writeCertificates } from './certificates.ts'
import { waitUntilReady } from './cluster.ts'
import { clusterServices, PROVISIONER } from './cluster-services.ts'
import { mustRun } from './command-line.ts'
import { API_SERVICE_ADDRESS, startControlPlane } from './control-plane.ts'
import { forward } from './forward.ts'
import { coreDnsImage, etcdImage, importArchive, packImage, pauseImage, type Archive } from './images.ts'
import type { Journal } from './journal.ts'
import { writeKubeconfig } from './kubeconfig.ts'
import { requireNodeMachine } from './machine.ts'
import { CONTROL_PLANE_ADDRESS, layBridge, layCable, planNodes, type NodeNetwork } from './network.ts'
import { SERVER_PORT, startContainerd, startNodeAgents } from './node.ts'
import { startProcess } from './processes.ts'
import { stage } from './progress.ts'
import { entering, startSpace, type Space } from './space.ts'
import type { ClusterState, NodeState } from './state.ts'
import { waitFor } from './wait-for.ts'

/** Starts a control plane and nodes, each in namespaces of its own. */
export async function startNodes(id: string, journal: Journal, count: number): Promise<ClusterState> {
  await requireNodeMachine()
  const plans = planNodes(count)
  const images = [await pauseImage(), await coreDnsImage(), await etcdImage()]
  // Built before the clock of the next stage starts.
  for (const program of ['kube-apiserver', 'kubectl', 'etcd', 'kubelet', 'image', 'certificates'] as const) {
    await binary(program)
  }
  return stage(`start ${count} node(s)`, async () => {
    const controlPlane = await startSpace(journal, 'control-plane-space')
    await layBridge(controlPlane)
    const certificate = await writeCertificates(journal.folder, [
      ...controlPlaneCertificates(['127.0.0.1', CONTROL_PLANE_ADDRESS, API_SERVICE_ADDRESS]),
      ...plans.map(({ name, address }) => nodeCertificate(name, address)),
    ])
    const place = {
      enter: entering(controlPlane),
      address: CONTROL_PLANE_ADDRESS,
      ports: { server: SERVER_PORT, etcd: 2379, etcdPeer: 2380 },
    }
    const server = await startControlPlane(journal, place, certificate, 'newest')
    const port = await forward(journal, controlPlane, SERVER_PORT)
    const kubectl = await binary('kubectl')
    const admin = join(journal.folder, 'kubeconfig')
    const kubeconfig = await writeKubeconfig(admin, `https://127.0.0.1:${port}`, certificate, 'admin')

    const archives = await Promise.all(images.map((image) => packImage(journal.folder, image)))
    const machines = await Promise.all(
      plans.map(async (plan) => ({ plan, space: await startMachine(journal, controlPlane, plan, plans, archives) })),
    )
    await waitUntilReady(server, kubectl, kubeconfig)
    const nodes = await Promise.all(
      machines.map(async ({ plan, space }): Promise<NodeState> => {
        const { name, address, podRange, cable } = plan
        const kubelet = await startNodeAgents(journal, space, plan, certificate)
        return { name, address, podRange, cable, kubelet, folder: join(journal.folder, name), holder: space.holder }
      }),
    )
    await startProvisioner(journal, controlPlane, certificate)
    await startServices(kubectl, kubeconfig, images[1]?.reference ?? '', count)
    return {
      id,
      kind: 'nodes',
      release: 'newest',
      folder: journal.folder,
      kubeconfig,
      kubectl,
      etcdctl: await binary('etcdctl'),
      auditLog: server.auditLog,
      controlPlane: controlPlane.holder,
      nodes,
    }
  })
}

/** A node without its kubelet: everything that can be done while the API server starts. */
async function startMachine(
  journal: Journal,
  controlPlane: Space,
  plan: NodeNetwork,
  plans: readonly NodeNetwork[],
  archives: readonly Archive[],
): Promise<Space> {
  const space = await startSpace(journal, plan.name)
  await layCable(controlPlane, space, plan, plans)
  await startContainerd(journal, space, plan)
  for (const archive of archives) await importArchive(space, archive)
  return space
}

/** It runs beside the API server and makes folders: a folder here is the same folder on every node. */
async function startProvisioner(journal: Journal, controlPlane: Space, certificate: CertificatePath): Promise<void> {
  const root = join(journal.folder, 'volumes')
  mkdirSync(root)
  const server = `https://127.0.0.1:${SERVER_PORT}`
  const file = join(journal.folder, 'provisioner.kubeconfig')
  const kubeconfig = await writeKubeconfig(file, server, certificate, 'admin')
  const args = [`--kubeconfig=${kubeconfig}`, `--root=${root}`, `--name=${PROVISIONER}`]
  startProcess(journal, 'provisioner', [...entering(controlPlane), await binary('provisioner'), ...args])
}

/** Installs the name service and the StorageClass, and waits until a pod on any node would run and resolve names. */
async function startServices(kubectl: string, kubeconfig: string, coreDns: string, count: number): Promise<void> {
  const ask = (args: readonly string[], input = ''): Promise<string> =>
    mustRun([kubectl, `--kubeconfig=${kubeconfig}`, ...args], { input, seconds: 90 })
  const items = clusterServices(coreDns)
  await ask(['apply', '--filename=-'], JSON.stringify({ apiVersion: 'v1', kind: 'List', items }))
  await waitFor('registered nodes', async () => {
    const names = await ask(['get', 'nodes', '--output=name'])
    return names.trim().split('\n').filter(Boolean).length === count
  })
  await ask(['wait', '--for=condition=Ready', 'nodes', '--all', '--timeout=60s'])
  await ask(['rollout', 'status', 'deployment/coredns', '--namespace=kube-system', '--timeout=60s'])
}
