import { type ClientDuplexStream, type ClientUnaryCall, Metadata } from '@grpc/grpc-js'
import { StoreForbidden, StoreUnavailable } from './errors.ts'
import { type Member, Members, type MembersOptions } from './members.ts'
import type { Call } from './protocol.ts'
import { storeError } from './store-errors.ts'

/** How one call is made. */
export interface CallOptions {
  /** Gives up: the call ends with the signal's reason. A write may have happened all the same. */
  readonly signal?: AbortSignal | undefined
  /** How long it may take altogether, in milliseconds. @default 5000 */
  readonly timeoutMs?: number | undefined
}

/**
 * Told how a request ended and how long that took, in seconds. `request` is etcd's name of the call, `outcome` is `ok`
 * or the name of the error, both of few values.
 */
export type ObserveRequest = (request: string, outcome: string, seconds: number) => void

interface UnaryOptions extends CallOptions {
  /** Whether it may change what is stored: then it is never sent twice. */
  readonly writes: boolean
}

/** How long a call may take when nothing else is said, in milliseconds. */
export const defaultTimeoutMs = 5000
/** How often a call is made that users and roles of etcd changed under. */
const mostMoments = 5

/** Calls of etcd: each with a deadline, to a member that answers. */
export class EtcdClient {
  readonly #members: Members
  readonly #observe: ObserveRequest
  readonly #closed = new AbortController()

  constructor(options: MembersOptions, observe: ObserveRequest = () => undefined) {
    this.#members = new Members(options)
    this.#observe = observe
  }

  /** Aborted by {@link close}: what runs for long ends with it. */
  get closed(): AbortSignal {
    return this.#closed.signal
  }

  /**
   * Asks once and gets one answer. A read that its member leaves unanswered is asked again of another one.
   * @throws what `storeError` makes of a refusal; the signal's reason
   */
  async unary<Request, Response>(
    call: Call<Request, Response>,
    request: Request,
    options: UnaryOptions,
  ): Promise<Response> {
    const began = performance.now()
    let outcome = 'ok'
    try {
      return await this.#unary(call, request, options)
    } catch (error) {
      outcome = error instanceof Error && !(options.signal?.aborted ?? false) ? error.name : 'Aborted'
      throw error
    } finally {
      this.#observe(nameOf(call), outcome, (performance.now() - began) / 1000)
    }
  }

  async #unary<Request, Response>(
    call: Call<Request, Response>,
    request: Request,
    options: UnaryOptions,
  ): Promise<Response> {
    const timeoutMs = options.timeoutMs ?? defaultTimeoutMs
    const untilMs = performance.now() + timeoutMs
    // So much of the time one member may take of a read, while there are others.
    const shareMs = this.#members.count > 1 && !options.writes ? timeoutMs * 0.4 : timeoutMs
    for (let moments = 1; ;) {
      const member = await this.connected(untilMs, options.signal)
      const leftMs = Math.max(1, untilMs - performance.now())
      try {
        return await this.#ask(member, call, request, { ...options, timeoutMs: Math.min(leftMs, shareMs) })
      } catch (error) {
        if (!(error instanceof StoreUnavailable)) throw error
        if (error instanceof StoreForbidden) {
          // All members know the same users: another one would say the same.
          if (!error.momentary || ++moments > mostMoments) throw error
          continue
        }
        this.#members.failed(member)
        if ((options.writes && error.mayHaveHappened) || performance.now() >= untilMs - 10) throw error
      }
    }
  }

  /** A member to which a connection stands. @throws StoreUnavailable after `untilMs` of `performance.now()` */
  async connected(untilMs: number, signal?: AbortSignal): Promise<Member> {
    if (this.closed.aborted) throw new StoreUnavailable('the store was closed', { mayHaveHappened: false })
    return await this.#members.connected(untilMs, signal)
  }

  /** Opens a stream to a member. It ends by itself when that member has lost its leader. */
  stream<Request, Response>(member: Member, call: Call<Request, Response>): ClientDuplexStream<Request, Response> {
    const metadata = new Metadata()
    metadata.set('hasleader', 'true')
    return member.client.makeBidiStreamRequest(call.path, call.serialize, call.deserialize, metadata)
  }

  /** The member did not do what it should: others are used from now on. */
  failed(member: Member): void {
    this.#members.failed(member)
  }

  /** Nothing came from the member although it was asked: it is called over another connection from now on. */
  silent(member: Member): void {
    this.#members.silent(member)
  }

  /** Ends every connection, stream and call. */
  close(): void {
    this.#closed.abort()
    this.#members.close()
  }

  async #ask<Request, Response>(
    { client, address }: Member,
    call: Call<Request, Response>,
    request: Request,
    { signal, timeoutMs = defaultTimeoutMs, writes }: UnaryOptions,
  ): Promise<Response> {
    signal?.throwIfAborted()
    const name = `${nameOf(call)} at ${address}`
    let abort: (() => void) | undefined
    try {
      return await new Promise<Response>((resolve, reject) => {
        const answered: ClientUnaryCall = client.makeUnaryRequest(
          call.path,
          call.serialize,
          call.deserialize,
          request,
          { deadline: Date.now() + timeoutMs },
          (failure, response) => {
            if (response !== undefined) resolve(response)
            else if (signal?.aborted === true) reject(asError(signal.reason))
            else reject(storeError(failure ?? { code: 2, details: 'neither an answer nor an error' }, { name, writes }))
          },
        )
        abort = () => answered.cancel()
        signal?.addEventListener('abort', abort, { once: true })
      })
    } finally {
      if (abort !== undefined) signal?.removeEventListener('abort', abort)
    }
  }
}

function asError(reason: unknown): Error {
  return reason instanceof Error ? reason : new Error('the call was aborted', { cause: reason })
}

function nameOf({ path }: { readonly path: string }): string {
  return path.slice(path.lastIndexOf('/') + 1)
}
