import { type Role, roles, type TokenResource } from '@regent/contract/api.ts'
import { z } from 'zod'
import { Conflict, NotThere } from '../agents/errors.ts'
import { idOf, keys, prefixes } from '../store/keys.ts'
import { record } from '../store/record.ts'
import { transactAndLook } from '../store/read-back.ts'
import type { Store } from '../store/store.ts'
import { type Clock, systemClock } from './clock.ts'
import { Unauthenticated } from './refusal.ts'
import { hashOf, matchesHash, newSecret, newSecretId } from './secret.ts'
import { readToken, tokenText } from './secret-text.ts'

/** Most tokens that there are at once. */
export const mostTokens = 1000

/** At `keys.token`: a token of a person or a program. */
export const tokenRecord = record(
  z.object({
    name: z.string(),
    /** SHA-256 of the whole text of the token, in hex. */
    hash: z.string().regex(/^[0-9a-f]{64}$/),
    role: z.enum(roles),
    createdAt: z.iso.datetime(),
    createdBy: z.string(),
    expiresAt: z.iso.datetime(),
  }),
)
type TokenRecord = ReturnType<typeof tokenRecord.parse>

/** A part of the tokens, by id. */
export interface TokenPage {
  readonly tokens: readonly TokenResource[]
  /** The token after which the next part begins; absent after the last one. */
  readonly after?: string
}

/**
 * Tokens of people and programs. Only hashes are stored: a token is shown once, when it is made.
 *
 * @throws StoreUnavailable, StoreFull and UnreadableRecord of the store, from every call. After a write that is
 * unavailable there may be a token that nobody has: the list shows it, and it can be revoked.
 */
export class PeopleTokens {
  readonly #store: Pick<Store, 'get' | 'list' | 'count' | 'transact'>
  readonly #clock: Clock

  constructor(store: Pick<Store, 'get' | 'list' | 'count' | 'transact'>, clock: Clock = systemClock) {
    this.#store = store
    this.#clock = clock
  }

  /** What a token gives. @throws Unauthenticated where it is none, is not known any more, or has expired */
  async check(text: string): Promise<TokenResource> {
    const named = readToken(text)
    if (named === undefined) throw new Unauthenticated('malformed')
    const { found } = await this.#store.get(keys.token(named.tokenId))
    if (found === undefined) throw new Unauthenticated('unknown')
    const value = tokenRecord.parse(found)
    if (!matchesHash(text, value.hash)) throw new Unauthenticated('unknown')
    if (this.#isOver(value)) throw new Unauthenticated('expired')
    return shown(named.tokenId, value)
  }

  /**
   * A part of the tokens; those that have expired are left out, and removed, so a part may hold fewer than the limit.
   *
   * @param onUnreadable told of records that are left out because they cannot be read
   */
  async list(
    query: { readonly limit: number; readonly after?: string | undefined },
    onUnreadable: (error: Error) => void,
  ): Promise<TokenPage> {
    const { items, more } = await this.#store.list(prefixes.tokens, {
      limit: query.limit,
      ...(query.after !== undefined && { after: { key: keys.token(query.after), createRevision: 0n } }),
    })
    const { records, unreadable } = tokenRecord.parseAll(items)
    unreadable.forEach(onUnreadable)
    const last = items.at(-1)
    return {
      tokens: records
        .filter(({ value }) => !this.#isOver(value))
        .map(({ stored, value }) => shown(idOf(stored.key), value)),
      ...(more && last !== undefined && { after: idOf(last.key) }),
    }
  }

  /** Makes a token. @throws Conflict where there are as many as there may be */
  async create(options: {
    readonly name: string
    readonly role: Role
    readonly by: string
    readonly expiresInSeconds: number
  }): Promise<TokenResource & { readonly token: string }> {
    const { count } = await this.#store.count(prefixes.tokens)
    if (count >= mostTokens && (await this.#removeExpired()) === 0) {
      throw new Conflict(`there are ${mostTokens} tokens, which is the most; revoke those not in use`)
    }
    const tokenId = newSecretId()
    const token = tokenText(tokenId, newSecret())
    const nowMs = this.#clock.wallMs()
    const value: TokenRecord = {
      name: options.name,
      hash: hashOf(token),
      role: options.role,
      createdAt: new Date(nowMs).toISOString(),
      createdBy: options.by,
      expiresAt: new Date(nowMs + options.expiresInSeconds * 1000).toISOString(),
    }
    const key = keys.token(tokenId)
    const stored = await transactAndLook(this.#store, key, {
      when: [{ key, exists: false }],
      then: [{ put: key, value: tokenRecord.serialize(value) }],
    })
    if (stored?.succeeded === false) throw new Conflict('there is a token with this id already; try again')
    return { ...shown(tokenId, value), token }
  }

  /** Ends a token at once. @throws NotThere */
  async revoke(tokenId: string): Promise<void> {
    const key = keys.token(tokenId)
    const { succeeded } = await this.#store.transact({ when: [{ key, exists: true }], then: [{ delete: key }] })
    if (!succeeded) throw new NotThere(`token '${tokenId}'`)
  }

  /** Makes room. Returns how many were removed. */
  async #removeExpired(): Promise<number> {
    const { items } = await this.#store.list(prefixes.tokens, { limit: mostTokens })
    const over = tokenRecord.parseAll(items).records.filter(({ value }) => this.#isOver(value))
    // As many as fit into one transaction; the next one who needs room removes the rest.
    const removed = over.slice(0, 100).map(({ stored: { key } }) => ({ delete: key }))
    if (removed.length > 0) await this.#store.transact({ when: [], then: removed })
    return removed.length
  }

  #isOver({ expiresAt }: TokenRecord): boolean {
    return Date.parse(expiresAt) <= this.#clock.wallMs()
  }
}

function shown(tokenId: string, { name, role, createdAt, createdBy, expiresAt }: TokenRecord): TokenResource {
  return { tokenId, name, role, createdAt, createdBy, expiresAt }
}
