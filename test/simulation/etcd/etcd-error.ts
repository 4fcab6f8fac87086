/** What etcd refuses, with the status of gRPC and the words that it uses. */
export const errors = {
  tooManyOperations: { code: 3, details: 'etcdserver: too many operations in txn request' },
  duplicateKey: { code: 3, details: 'etcdserver: duplicate key given in txn request' },
  keyNotFound: { code: 3, details: 'etcdserver: key not found' },
  leaseNotFound: { code: 5, details: 'etcdserver: requested lease not found' },
  noSpace: { code: 8, details: 'etcdserver: mvcc: database space exceeded' },
  futureRevision: { code: 11, details: 'etcdserver: mvcc: required revision is a future revision' },
  compacted: { code: 11, details: 'etcdserver: mvcc: required revision has been compacted' },
} as const

/** A refusal of the simulated etcd. */
export class EtcdError extends Error {
  override readonly name = 'EtcdError'
  readonly code: number
  readonly details: string

  constructor({ code, details }: { readonly code: number; readonly details: string }) {
    super(`${code} ${details}`)
    this.code = code
    this.details = details
  }
}
