import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type CertificatePath, writeCertificates } from '../../../test/cluster/certificates.ts'
import type { StoreTls } from '../../src/store/store.ts'
import { Etcd, type EtcdOptions } from './etcd.ts'

/** Certificates by the user that each is of; `server` is of nobody in particular. */
const commonNames = {
  root: 'root',
  controlPlane: 'regent-control-plane',
  stranger: 'stranger',
  nameless: '',
} as const

/** Whose certificate it is. */
export type Bearer = keyof typeof commonNames

/** A real etcd that asks its clients for certificates, with certificates of several users. */
export interface SecuredEtcd {
  readonly etcd: Etcd
  /** The files with which one connects. */
  readonly tls: (bearer: Bearer) => StoreTls
  readonly close: () => Promise<void>
}

/**
 * Starts it without users and with authentication off. The members' own certificate has the common name of root, which
 * must give nobody any rights; `etcd.etcdctl` is root.
 */
export async function securedEtcd(options: Omit<EtcdOptions, 'tls'> = {}): Promise<SecuredEtcd> {
  const folder = await mkdtemp(join(tmpdir(), 'regent-secured-etcd-'))
  const remove = (): Promise<void> => rm(folder, { recursive: true, force: true })
  try {
    const path = await writeCertificates(
      folder,
      Object.entries(commonNames).map(([file, commonName]) => ({ file, commonName, names: ['localhost'] })),
    )
    const etcd = await Etcd.start({ ...options, tls: filesOf(path, 'root') })
    return {
      etcd,
      tls: (bearer) => filesOf(path, bearer),
      close: async () => {
        await etcd.close()
        await remove()
      },
    }
  } catch (error) {
    await remove()
    throw error
  }
}

function filesOf(path: CertificatePath, bearer: Bearer): StoreTls {
  return { caFile: path('ca.crt'), certificateFile: path(`${bearer}.crt`), keyFile: path(`${bearer}.key`) }
}
