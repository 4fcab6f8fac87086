import { setTimeout as delay } from 'node:timers/promises'
import type { Log } from '@regent/runtime/logging/log.ts'
import { LeaseLost, StoreUnavailable } from './errors.ts'
import type { CallOptions, EtcdClient } from './etcd-client.ts'
import { Inbox } from './inbox.ts'
import { calls } from './protocol.ts'
import { isAborted, Retry } from './retry.ts'

/** How long an answer to a renewal may take, in milliseconds, however long the lease lives. */
const LONGEST_ANSWER_MS = 3000

/**
 * A lease of etcd that is kept alive. Keys that were written with its id are deleted by etcd when it runs out.
 *
 * Guaranteed: {@link lost} is aborted, and {@link remainingMs} is 0, no later than etcd may let the lease run out, by
 * the local monotonic clock from before the renewal was sent. Not guaranteed: that etcd has deleted the keys by then,
 * nor anything while this machine is suspended and its monotonic clock with it.
 */
export class Lease {
  readonly id: bigint
  readonly #client: EtcdClient
  readonly #log: Log
  readonly #lost = new AbortController()
  readonly #stopped = new AbortController()
  #validUntilMs: number
  #timer: NodeJS.Timeout | undefined

  private constructor(client: EtcdClient, log: Log, granted: { id: bigint; ttlSeconds: bigint; sentAtMs: number }) {
    this.#client = client
    this.#log = log
    this.id = granted.id
    this.#validUntilMs = 0
    this.#renewed(granted.sentAtMs, granted.ttlSeconds)
    void this.#keepAlive(Number(granted.ttlSeconds) * 1000)
  }

  /**
   * Asks for a lease and keeps it alive until it is revoked or lost.
   * @throws StoreUnavailable; a lease that was granted without our knowing runs out by itself
   */
  static async grant(client: EtcdClient, ttlSeconds: number, log: Log, options: CallOptions = {}): Promise<Lease> {
    const sentAtMs = performance.now()
    const granted = await grantLease(client, ttlSeconds, options)
    return new Lease(client, log, { id: granted.id, ttlSeconds: granted.ttl, sentAtMs })
  }

  /** Aborted, with a {@link LeaseLost}, as soon as the lease may have run out, and after {@link revoke}. */
  get lost(): AbortSignal {
    return this.#lost.signal
  }

  /** For how long etcd surely keeps the lease, in milliseconds; 0 once it is lost. */
  get remainingMs(): number {
    return this.lost.aborted ? 0 : Math.max(0, this.#validUntilMs - performance.now())
  }

  /**
   * Gives the lease up: its keys are deleted. {@link lost} is aborted first.
   * @throws StoreUnavailable where etcd did not say so: the lease runs out by itself then
   */
  async revoke(options: CallOptions = {}): Promise<void> {
    this.#end(new LeaseLost(`the lease ${this.id} was given up`))
    try {
      await this.#client.unary(calls.revokeLease, { id: this.id }, { ...options, writes: true })
    } catch (error) {
      if (!(error instanceof LeaseLost)) throw error
    }
  }

  #renewed(sentAtMs: number, ttlSeconds: bigint): void {
    this.#validUntilMs = sentAtMs + Number(ttlSeconds) * 1000
    this.#watchTheClock()
  }

  #watchTheClock(): void {
    clearTimeout(this.#timer)
    this.#timer = setTimeout(
      () => {
        if (performance.now() < this.#validUntilMs) this.#watchTheClock()
        else this.#end(new LeaseLost(`the lease ${this.id} could not be renewed in time`))
      },
      Math.max(0, this.#validUntilMs - performance.now()),
    )
  }

  #end(reason: LeaseLost): void {
    clearTimeout(this.#timer)
    this.#stopped.abort()
    if (!this.lost.aborted) this.#lost.abort(reason)
  }

  async #keepAlive(ttlMs: number): Promise<void> {
    const stopped = AbortSignal.any([this.#stopped.signal, this.#client.closed])
    const retry = new Retry()
    while (!stopped.aborted) {
      try {
        await this.#renewals(ttlMs, stopped, retry)
      } catch (error) {
        if (error instanceof LeaseLost) this.#end(error)
        if (isAborted(stopped)) return
        const message = error instanceof Error ? error.message : 'unknown'
        this.#log.info('etcd-lease-renewal-fails', { lease: String(this.id), message })
        await retry.wait(stopped)
      }
    }
  }

  /** Renews over one stream until it ends or the lease does. */
  async #renewals(ttlMs: number, stopped: AbortSignal, retry: Retry): Promise<void> {
    const everyMs = ttlMs / 3
    const dueInMs = this.#validUntilMs - ttlMs + everyMs - performance.now()
    await delay(Math.max(0, dueInMs), undefined, { signal: stopped })
    const member = await this.#client.connected(performance.now() + everyMs, stopped)
    const stream = this.#client.stream(member, calls.keepLeaseAlive)
    const inbox = new Inbox(stream, `the renewal of the lease ${this.id}`)
    try {
      while (!stopped.aborted) {
        const sentAtMs = performance.now()
        stream.write({ id: this.id })
        const answer = await inbox.next(Math.min(everyMs, LONGEST_ANSWER_MS), stopped)
        if (answer === undefined) {
          throw new StoreUnavailable(`${member.address} left a renewal unanswered`, { mayHaveHappened: true })
        }
        if (answer.ttl <= 0n) throw new LeaseLost(`the lease ${this.id} has run out`)
        this.#renewed(sentAtMs, answer.ttl)
        retry.succeeded()
        await delay(Math.max(0, sentAtMs + everyMs - performance.now()), undefined, { signal: stopped })
      }
    } catch (error) {
      if (!stopped.aborted) this.#client.failed(member)
      throw error
    } finally {
      inbox.close()
    }
  }
}

/** Asks for a lease that nobody keeps alive. @throws StoreUnavailable */
export async function grantLease(
  client: EtcdClient,
  ttlSeconds: number,
  options: CallOptions,
): Promise<{ readonly id: bigint; readonly ttl: bigint }> {
  if (!Number.isSafeInteger(ttlSeconds) || ttlSeconds < 1) {
    throw new TypeError(`ttlSeconds: expected a whole number of at least 1, got ${ttlSeconds}`)
  }
  return await client.unary(calls.grantLease, { ttl: BigInt(ttlSeconds) }, { ...options, writes: true })
}
