import { etcdKeyPrefix, objectNames } from './names.ts'

/** What a user may do with every key below a prefix. */
export interface EtcdPermission {
  /** Ends with `/`. */
  readonly prefix: string
  readonly access: 'read' | 'readwrite'
}

/**
 * A user of etcd. Its name is the common name of the client certificate that it connects with; none has a password.
 *
 * @see https://etcd.io/docs/v3.6/op-guide/authentication/rbac/
 */
export interface EtcdUser {
  readonly name: string
  /** What it may do: everything, or what is listed and nothing else. */
  readonly may: 'everything' | readonly EtcdPermission[]
}

/** The user who may do everything: for users and roles, members, snapshots and restores. Its name is etcd's own. */
export const etcdRoot = { name: 'root', may: 'everything' } as const satisfies EtcdUser

/** Users and roles whose names begin so are ours: those that are not declared here are removed. */
export const etcdUserPrefix = 'regent-'

/** Everybody who calls etcd where its clients have certificates. Nobody else may read or write a key. */
export const etcdUsers: readonly EtcdUser[] = [
  etcdRoot,
  { name: objectNames.controlPlane, may: [{ prefix: etcdKeyPrefix, access: 'readwrite' }] },
]
