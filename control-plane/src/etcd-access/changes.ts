import type { EtcdPermission, EtcdUser } from '@regent/contract/etcd-users.ts'
import { etcdRoot, etcdUserPrefix } from '@regent/contract/etcd-users.ts'
import { rangeEnd } from '../store/wire.ts'

/** A permission as etcd has it. */
export interface StoredPermission {
  readonly permType: 'READ' | 'WRITE' | 'READWRITE'
  readonly key: Uint8Array
  readonly rangeEnd: Uint8Array
}

/** etcd's users and roles. Of those that are not ours only the names are known. */
export interface StoredAccess {
  /** Whether authentication is on. */
  readonly enabled: boolean
  /** The roles of each user that is ours. */
  readonly users: ReadonlyMap<string, readonly string[]>
  /** The permissions of each role that is ours. */
  readonly roles: ReadonlyMap<string, readonly StoredPermission[]>
  /** Users of somebody else. */
  readonly strangers: readonly string[]
}

/** One step towards what is declared. */
export type Change =
  | { readonly kind: 'add-role'; readonly role: string }
  | { readonly kind: 'grant-permission'; readonly role: string; readonly permission: StoredPermission }
  | { readonly kind: 'add-user'; readonly user: string }
  | { readonly kind: 'grant-role'; readonly user: string; readonly role: string }
  | { readonly kind: 'revoke-permission'; readonly role: string; readonly permission: StoredPermission }
  | { readonly kind: 'revoke-role'; readonly user: string; readonly role: string }
  | { readonly kind: 'delete-user'; readonly user: string }
  | { readonly kind: 'delete-role'; readonly role: string }
  | { readonly kind: 'enable' }

/** Every kind of change, so that the first of its kind is an increase. */
export const changeKinds = [
  'add-role',
  'grant-permission',
  'add-user',
  'grant-role',
  'revoke-permission',
  'revoke-role',
  'delete-user',
  'delete-role',
  'enable',
] as const satisfies readonly Change['kind'][]

/** Whether users and roles of that name are ours to change. */
export function isOurs(name: string): boolean {
  return name === etcdRoot.name || name.startsWith(etcdUserPrefix)
}

/**
 * What has to be done, in its order: rights are given before any are taken, and authentication is turned on last, so
 * that whoever stops half-way has locked nobody out. Empty where everything is as declared.
 */
export function changesTowards(declared: readonly EtcdUser[], stored: StoredAccess): readonly Change[] {
  // A role of each user, of the same name: that of root is etcd's own, and may do everything by itself.
  const wanted = declared.map(({ name, may }) => ({
    name,
    permissions: may === 'everything' ? undefined : may.map(permissionOf),
  }))
  const names = new Set(wanted.map(({ name }) => name))
  const permissionsOf = (role: string): readonly StoredPermission[] => stored.roles.get(role) ?? []
  const rolesOf = (user: string): readonly string[] => stored.users.get(user) ?? []
  const isRoot = (name: string): boolean => name === etcdRoot.name
  return [
    ...wanted.flatMap(({ name: role }): Change[] => (stored.roles.has(role) ? [] : [{ kind: 'add-role', role }])),
    ...wanted.flatMap(({ name: role, permissions = [] }) =>
      permissions
        .filter((permission) => !permissionsOf(role).some((one) => areSame(one, permission)))
        .map((permission): Change => ({ kind: 'grant-permission', role, permission })),
    ),
    ...wanted.flatMap(({ name: user }): Change[] => (stored.users.has(user) ? [] : [{ kind: 'add-user', user }])),
    ...wanted.flatMap(({ name }): Change[] =>
      rolesOf(name).includes(name) ? [] : [{ kind: 'grant-role', user: name, role: name }],
    ),
    ...wanted.flatMap(({ name: role, permissions }) =>
      permissions === undefined
        ? []
        : permissionsOf(role)
            .filter((one) => !permissions.some((permission) => areOfOneRange(one, permission)))
            .map((permission): Change => ({ kind: 'revoke-permission', role, permission })),
    ),
    // More roles give root no more rights, and etcd lets nobody take its own.
    ...wanted.flatMap(({ name: user }) =>
      rolesOf(user)
        .filter((role) => role !== user && !isRoot(user))
        .map((role): Change => ({ kind: 'revoke-role', user, role })),
    ),
    ...[...stored.users.keys()]
      .filter((user) => !names.has(user))
      .map((user): Change => ({ kind: 'delete-user', user })),
    ...[...stored.roles.keys()]
      .filter((role) => !names.has(role))
      .map((role): Change => ({ kind: 'delete-role', role })),
    ...(stored.enabled ? [] : [{ kind: 'enable' } as const]),
  ]
}

/** A change in words, for the log. */
export function describeChange(change: Change): string {
  switch (change.kind) {
    case 'add-role':
    case 'delete-role':
      return change.role
    case 'add-user':
    case 'delete-user':
      return change.user
    case 'grant-role':
    case 'revoke-role':
      return `${change.role} of ${change.user}`
    case 'grant-permission':
    case 'revoke-permission': {
      const { permType, key } = change.permission
      return `${permType} from ${Buffer.from(key).toString('utf8')} of ${change.role}`
    }
    case 'enable':
      return 'authentication'
  }
}

function permissionOf({ prefix, access }: EtcdPermission): StoredPermission {
  return {
    permType: access === 'read' ? 'READ' : 'READWRITE',
    key: Buffer.from(prefix),
    rangeEnd: rangeEnd(prefix),
  }
}

function areSame(one: StoredPermission, other: StoredPermission): boolean {
  return one.permType === other.permType && areOfOneRange(one, other)
}

/** A range has one permission: another one for it takes the former's place. */
function areOfOneRange(one: StoredPermission, other: StoredPermission): boolean {
  return Buffer.compare(one.key, other.key) === 0 && Buffer.compare(one.rangeEnd, other.rangeEnd) === 0
}
