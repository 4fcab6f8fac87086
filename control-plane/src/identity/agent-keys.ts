import type { AgentKey } from '@regent/contract/api.ts'
import { z } from 'zod'
import { Conflict, NotThere } from '../agents/errors.ts'
import type { Compare, Operation } from '../store/key-value.ts'
import { idOf, keys, prefixes } from '../store/keys.ts'
import { record } from '../store/record.ts'
import { transactAndLook } from '../store/read-back.ts'
import type { Store } from '../store/store.ts'
import type { AgentIdentity } from './agent-identity.ts'
import { type Clock, systemClock } from './clock.ts'
import { Unauthenticated } from './refusal.ts'
import { hashOf, matchesHash, newSecret, newSecretId } from './secret.ts'
import { agentKeyText, readAgentKey } from './secret-text.ts'

/** Most keys of one agent: one in use, its successor, and room for those who forget to revoke. */
export const mostKeysOfAgent = 10
/** How often a rotation is tried again that another change of the keys got ahead of. */
const mostAttempts = 5

/** At `keys.agentKey`: a key of an agent. */
export const agentKeyRecord = record(
  z.object({
    /** SHA-256 of the whole text of the key, in hex. */
    hash: z.string().regex(/^[0-9a-f]{64}$/),
    createdAt: z.iso.datetime(),
    createdBy: z.string(),
    expiresAt: z.iso.datetime().optional(),
  }),
)
type AgentKeyRecord = ReturnType<typeof agentKeyRecord.parse>

interface StoredKey {
  readonly keyId: string
  readonly modRevision: bigint
  readonly value: AgentKeyRecord
}

/**
 * Keys of agents that are in other clusters. Only hashes are stored: a key is shown once, when it is made. A key is of
 * one agent id, which is a part of what is hashed.
 *
 * Not guaranteed: that a limit holds to the last key while several people make keys of one agent at the same moment.
 *
 * @throws StoreUnavailable, StoreFull and UnreadableRecord of the store, from every call. After a write that is
 * unavailable there may be a key that nobody has: the list shows it, and it can be revoked.
 */
export class AgentKeys {
  readonly #store: Pick<Store, 'get' | 'list' | 'transact'>
  readonly #clock: Clock

  constructor(store: Pick<Store, 'get' | 'list' | 'transact'>, clock: Clock = systemClock) {
    this.#store = store
    this.#clock = clock
  }

  /**
   * Whose key this is.
   *
   * @throws Unauthenticated where it is none, is not known any more, or has expired
   */
  async check(text: string): Promise<AgentIdentity> {
    const named = readAgentKey(text)
    if (named === undefined) throw new Unauthenticated('malformed')
    const { found } = await this.#store.get(keys.agentKey(named.agentId, named.keyId))
    if (found === undefined) throw new Unauthenticated('unknown')
    const { hash, expiresAt } = agentKeyRecord.parse(found)
    if (!matchesHash(text, hash)) throw new Unauthenticated('unknown')
    if (this.#isOver(expiresAt)) throw new Unauthenticated('expired')
    return { ...named, by: 'key', ...(expiresAt !== undefined && { expiresAt: new Date(expiresAt) }) }
  }

  /** The keys of an agent, by id; those that have expired are left out. @throws NotThere */
  async list(agentId: string): Promise<readonly AgentKey[]> {
    const stored = await this.#read(agentId)
    return stored.filter(({ value }) => !this.#isOver(value.expiresAt)).map(({ keyId, value }) => shown(keyId, value))
  }

  /**
   * Makes a key.
   *
   * @param options.expiresInSeconds @default it lives until it is revoked or rotated
   * @throws NotThere where there is no such agent
   * @throws Conflict where it has as many keys as it may have
   */
  async create(
    agentId: string,
    options: { readonly by: string; readonly expiresInSeconds?: number | undefined },
  ): Promise<AgentKey & { readonly key: string }> {
    const stored = await this.#read(agentId)
    const over = stored.filter(({ value }) => this.#isOver(value.expiresAt))
    if (stored.length - over.length >= mostKeysOfAgent) throw tooMany(agentId)
    const made = this.#made(agentId, options)
    const ended = over.map(({ keyId }) => ({ delete: keys.agentKey(agentId, keyId) }))
    await this.#write(agentId, [], made.put, ended)
    return made.answer
  }

  /**
   * Makes a key that lives until it is revoked, and lets all others expire after the overlap, at once where it is 0.
   *
   * @throws NotThere where there is no such agent
   */
  async rotate(
    agentId: string,
    options: { readonly by: string; readonly overlapSeconds: number },
  ): Promise<AgentKey & { readonly key: string }> {
    const { by, overlapSeconds } = options
    for (let attempt = 1; attempt <= mostAttempts; attempt += 1) {
      const stored = await this.#read(agentId)
      const end = new Date(this.#clock.wallMs() + overlapSeconds * 1000).toISOString()
      const made = this.#made(agentId, { by })
      const steps = stored.map(({ keyId, value }): Operation => {
        const key = keys.agentKey(agentId, keyId)
        if (overlapSeconds === 0 || this.#isOver(value.expiresAt)) return { delete: key }
        const expiresAt = value.expiresAt !== undefined && value.expiresAt < end ? value.expiresAt : end
        return { put: key, value: agentKeyRecord.serialize({ ...value, expiresAt }) }
      })
      const asRead = stored.map(({ keyId, modRevision }) => ({ key: keys.agentKey(agentId, keyId), modRevision }))
      if (await this.#write(agentId, asRead, made.put, steps)) return made.answer
    }
    throw new Conflict(`the keys of agent '${agentId}' were changed by others meanwhile; try again`)
  }

  /** Ends a key at once. @throws NotThere */
  async revoke(agentId: string, keyId: string): Promise<void> {
    const key = keys.agentKey(agentId, keyId)
    const { succeeded } = await this.#store.transact({ when: [{ key, exists: true }], then: [{ delete: key }] })
    if (!succeeded) throw new NotThere(`key '${keyId}' of agent '${agentId}'`)
  }

  #made(agentId: string, options: { readonly by: string; readonly expiresInSeconds?: number | undefined }) {
    const keyId = newSecretId()
    const key = agentKeyText(agentId, keyId, newSecret())
    const nowMs = this.#clock.wallMs()
    const value: AgentKeyRecord = {
      hash: hashOf(key),
      createdAt: new Date(nowMs).toISOString(),
      createdBy: options.by,
      ...(options.expiresInSeconds !== undefined && {
        expiresAt: new Date(nowMs + options.expiresInSeconds * 1000).toISOString(),
      }),
    }
    const put = { put: keys.agentKey(agentId, keyId), value: agentKeyRecord.serialize(value) }
    return { put, answer: { ...shown(keyId, value), key } }
  }

  /** Puts a new key of an agent that is there. Returns false where another key is not as it was read. @throws NotThere */
  async #write(
    agentId: string,
    when: readonly Compare[],
    made: Operation & { readonly put: string },
    besides: readonly Operation[],
  ): Promise<boolean> {
    const agent = keys.agent(agentId)
    const written = await transactAndLook(this.#store, made.put, {
      when: [{ key: agent, exists: true }, ...when],
      then: [made, ...besides],
      otherwise: [{ get: agent }],
    })
    if (written === undefined || written.succeeded) return true
    const [found] = written.results
    if (found?.kind === 'get' && found.items.length === 0) throw new NotThere(`agent '${agentId}'`)
    return false
  }

  /** All keys of an agent, expired ones as well. @throws NotThere where there is no such agent */
  async #read(agentId: string): Promise<readonly StoredKey[]> {
    const { results } = await this.#store.transact({
      when: [],
      // More than there may be, so that keys made at one moment are seen all the same.
      then: [
        { get: keys.agent(agentId) },
        { get: prefixes.agentKeys(agentId), prefix: true, limit: 5 * mostKeysOfAgent },
      ],
    })
    const [agent, found] = results
    if (agent?.kind !== 'get' || agent.items.length === 0) throw new NotThere(`agent '${agentId}'`)
    if (found?.kind !== 'get') return []
    return found.items.map((item) => ({
      keyId: idOf(item.key),
      modRevision: item.modRevision,
      value: agentKeyRecord.parse(item),
    }))
  }

  #isOver(expiresAt: string | undefined): boolean {
    return expiresAt !== undefined && Date.parse(expiresAt) <= this.#clock.wallMs()
  }
}

function shown(keyId: string, { createdAt, createdBy, expiresAt }: AgentKeyRecord): AgentKey {
  return { keyId, createdAt, createdBy, ...(expiresAt !== undefined && { expiresAt }) }
}

function tooMany(agentId: string): Conflict {
  return new Conflict(`agent '${agentId}' has ${mostKeysOfAgent} keys, which is the most; revoke those not in use`)
}
