import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { build, type ModuleName } from './build.ts'

/** Which wrapper module of `modules/` holds a program. */
const PROGRAMS = {
  'kube-apiserver': 'kubernetes',
  'kube-controller-manager': 'kubernetes',
  'kube-scheduler': 'kubernetes',
  kubelet: 'kubernetes',
  'kube-proxy': 'kubernetes',
  kubectl: 'kubernetes',
  etcd: 'etcd',
  etcdctl: 'etcd',
  etcdutl: 'etcd',
  certificates: 'certificates',
  coredns: 'coredns',
  pause: 'images',
  image: 'images',
  probe: 'images',
  provisioner: 'kubernetes',
} as const satisfies Readonly<Record<string, ModuleName>>

export type ProgramName = keyof typeof PROGRAMS

/** What controller-runtime's envtest brings, and all that may be taken from `KUBEBUILDER_ASSETS`. */
const ASSETS: readonly ProgramName[] = ['kube-apiserver', 'etcd', 'kubectl']

/** `newest` and `oldest` of the range of Kubernetes versions that we support and that can be had. */
export type KubernetesRelease = 'newest' | 'oldest'

/**
 * The path of a program. The oldest release is built for the API server and the controller manager alone: its level
 * has no nodes, and the other programs may be newer than the API server only there.
 */
export async function binary(name: ProgramName, release: KubernetesRelease = 'newest'): Promise<string> {
  const assets = process.env['KUBEBUILDER_ASSETS']
  if (release === 'newest' && assets !== undefined && ASSETS.includes(name) && existsSync(join(assets, name))) {
    return join(assets, name)
  }
  const older = release === 'oldest' && (name === 'kube-apiserver' || name === 'kube-controller-manager')
  return join(await build(older ? 'kubernetes-oldest' : PROGRAMS[name]), name)
}
