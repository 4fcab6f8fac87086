import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { binary } from './binaries.ts'
import { mustRun } from './command-line.ts'

/** A certificate for clients and servers alike, signed by the cluster's authority. */
export interface CertificateRequest {
  readonly file: string
  /** The user, for a client. */
  readonly commonName: string
  /** The groups, for a client. */
  readonly organizations?: readonly string[]
  readonly addresses?: readonly string[]
  readonly names?: readonly string[]
}

/** Where the certificates of a cluster are: `path('admin.crt')`. */
export type CertificatePath = (file: string) => string

/** Writes `ca`, the requested certificates and the key pair of ServiceAccount tokens. */
export async function writeCertificates(
  folder: string,
  requests: readonly CertificateRequest[],
): Promise<CertificatePath> {
  const target = join(folder, 'certificates')
  await mkdir(target)
  await mustRun([await binary('certificates'), target], { input: JSON.stringify(requests) })
  return (file) => join(target, file)
}

/** The identities of the control plane's parts, as kubeadm names them. */
export function controlPlaneCertificates(serverAddresses: readonly string[]): readonly CertificateRequest[] {
  return [
    {
      file: 'kube-apiserver',
      commonName: 'kube-apiserver',
      addresses: serverAddresses,
      names: ['localhost', 'kubernetes', 'kubernetes.default', 'kubernetes.default.svc'],
    },
    { file: 'admin', commonName: 'admin', organizations: ['system:masters'] },
    { file: 'kube-controller-manager', commonName: 'system:kube-controller-manager' },
    { file: 'kube-scheduler', commonName: 'system:kube-scheduler' },
    { file: 'kube-proxy', commonName: 'system:kube-proxy' },
    { file: 'kubelet-client', commonName: 'kube-apiserver-kubelet-client', organizations: ['system:masters'] },
    { file: 'front-proxy', commonName: 'front-proxy-client' },
  ]
}

/** The node authorizer knows a node by this user and group. */
export function nodeCertificate(name: string, address: string): CertificateRequest {
  return {
    file: name,
    commonName: `system:node:${name}`,
    organizations: ['system:nodes'],
    addresses: [address],
    names: [name],
  }
}
