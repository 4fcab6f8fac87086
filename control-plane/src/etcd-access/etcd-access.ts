import type { EtcdUser } from '@regent/contract/etcd-users.ts'
import { authCalls } from '../store/auth-protocol.ts'
import { StoreForbidden, StoreRefused } from '../store/errors.ts'
import type { CallOptions, EtcdClient } from '../store/etcd-client.ts'
import type { Call } from '../store/protocol.ts'
import { type Change, changesTowards, isOurs, type StoredAccess, type StoredPermission } from './changes.ts'

/** How often users and roles are read again, where others change them at the same time. */
const mostRounds = 5

/** What somebody else had done before us, or undone: the next look says what is left. */
const OVERTAKEN = ['already exists', 'not found', 'is not granted']

export interface Converged {
  /** What was changed, in the order in which it was. */
  readonly changes: readonly Change[]
  /** Users of somebody else, which are left alone. */
  readonly strangers: readonly string[]
}

/** etcd's users and roles. */
export class EtcdAccess {
  readonly #client: EtcdClient

  /** @param client with the certificate of etcd's root */
  constructor(client: EtcdClient) {
    this.#client = client
  }

  /**
   * Changes users and roles until they are as declared, and turns authentication on. Done twice, it changes nothing;
   * several may do it at once.
   *
   * @param onChange told of each change once it is made
   * @throws StoreUnavailable, StoreForbidden where the certificate is not root's, StoreRefused; and Error where others
   * change the same things all the time. What was done until then stays, and locks nobody out
   */
  async converge(
    declared: readonly EtcdUser[],
    options: CallOptions & { readonly onChange?: (change: Change) => void } = {},
  ): Promise<Converged> {
    const { onChange = () => undefined, ...call } = options
    const made: Change[] = []
    for (let round = 1; round <= mostRounds; round++) {
      const stored = await this.read(call)
      const changes = changesTowards(declared, stored)
      if (changes.length === 0) return { changes: made, strangers: stored.strangers }
      for (const change of changes) {
        if (!(await this.#make(change, call))) break
        made.push(change)
        onChange(change)
      }
    }
    throw new Error(`users and roles of etcd are not as declared after ${mostRounds} rounds: others change them too`)
  }

  /** etcd's users and roles as they are. @throws like {@link converge} */
  async read(options: CallOptions = {}): Promise<StoredAccess> {
    const { enabled } = await this.#read(authCalls.status, {}, options)
    const { users: userNames } = await this.#read(authCalls.users, {}, options)
    const { roles: roleNames } = await this.#read(authCalls.roles, {}, options)
    const users = new Map<string, readonly string[]>()
    for (const name of userNames.filter(isOurs)) {
      const user = await this.#readIfThere(authCalls.user, { name }, options)
      if (user !== undefined) users.set(name, user.roles)
    }
    const roles = new Map<string, readonly StoredPermission[]>()
    for (const role of roleNames.filter(isOurs)) {
      const found = await this.#readIfThere(authCalls.role, { role }, options)
      if (found !== undefined) roles.set(role, found.perm)
    }
    return { enabled, users, roles, strangers: userNames.filter((name) => !isOurs(name)) }
  }

  /** @returns whether it was done; not, where somebody else was faster */
  async #make(change: Change, options: CallOptions): Promise<boolean> {
    try {
      await this.#change(change, options)
      return true
    } catch (error) {
      if (isOvertaken(error)) return false
      throw error
    }
  }

  #change(change: Change, options: CallOptions): Promise<void> {
    const write = async <Request>(call: Call<Request, object>, request: Request): Promise<void> => {
      await this.#client.unary(call, request, { ...options, writes: true })
    }
    switch (change.kind) {
      case 'add-role':
        return write(authCalls.addRole, { name: change.role })
      case 'grant-permission':
        return write(authCalls.grantPermission, { name: change.role, perm: change.permission })
      case 'add-user':
        // Without a password nobody is this user but by a certificate.
        return write(authCalls.addUser, { name: change.user, options: { noPassword: true } })
      case 'grant-role':
        return write(authCalls.grantRole, { user: change.user, role: change.role })
      case 'revoke-permission': {
        const { key, rangeEnd } = change.permission
        return write(authCalls.revokePermission, { role: change.role, key, rangeEnd })
      }
      case 'revoke-role':
        return write(authCalls.revokeRole, { name: change.user, role: change.role })
      case 'delete-user':
        return write(authCalls.deleteUser, { name: change.user })
      case 'delete-role':
        return write(authCalls.deleteRole, { role: change.role })
      case 'enable':
        return write(authCalls.enable, {})
    }
  }

  async #read<Request, Response>(call: Call<Request, Response>, request: Request, options: CallOptions) {
    return await this.#client.unary(call, request, { ...options, writes: false })
  }

  async #readIfThere<Request, Response>(call: Call<Request, Response>, request: Request, options: CallOptions) {
    try {
      return await this.#read(call, request, options)
    } catch (error) {
      if (isOvertaken(error)) return undefined
      throw error
    }
  }
}

function isOvertaken(error: unknown): boolean {
  // Root itself is there by now, so a user who is not found is the one that was asked for.
  return (
    (error instanceof StoreRefused || error instanceof StoreForbidden) &&
    OVERTAKEN.some((words) => error.message.includes(words))
  )
}
