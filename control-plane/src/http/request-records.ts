import { performance } from 'node:perf_hooks'
import type { Log } from '@regent/runtime/logging/log.ts'
import { apiPrefix, type ProblemType } from '@regent/contract/api.ts'
import type { FastifyRequest } from 'fastify'
import type { Caller } from '../identity/caller.ts'
import { audit } from './audit.ts'
import type { ClientAddresses } from './client-address.ts'
import type { Operation } from './operation.ts'
import type { Problem } from './problem.ts'
import { TokenBuckets } from './token-buckets.ts'

interface RequestRecord {
  readonly begunMs: number
  receivedMs?: number
  operation?: Pick<Operation, 'method' | 'route'>
  caller?: Caller
  subject?: string
  problem?: Problem
}

/** Refusals of reads that are worth a line: who may not do what. */
const refusals: readonly ProblemType[] = ['unauthenticated', 'forbidden', 'too-many-requests']

/** What is known of each request while it is under way, and the audit log at its end. */
export class RequestRecords {
  readonly #log: Log
  readonly #addressOf: ClientAddresses['of']
  readonly #records = new WeakMap<FastifyRequest, RequestRecord>()
  /** Who is refused for coming too often would write the log as often: one line in ten seconds says as much. */
  readonly #excess = new TokenBuckets({ perSecond: 0.1, burst: 1, now: () => performance.now() })

  /** @param addressOf from which address a request comes */
  constructor(log: Log, addressOf: ClientAddresses['of']) {
    this.#log = log
    this.#addressOf = addressOf
  }

  begin(request: FastifyRequest): void {
    this.#records.set(request, { begunMs: performance.now() })
  }

  /** All of the request has arrived. */
  received(request: FastifyRequest): void {
    this.#of(request).receivedMs = performance.now()
  }

  asks(request: FastifyRequest, operation: Pick<Operation, 'method' | 'route'>): void {
    this.#of(request).operation = operation
  }

  identified(request: FastifyRequest, caller: Caller): void {
    this.#of(request).caller = caller
  }

  /** @throws Error for a request that nobody was let in with: a fault of ours */
  callerOf(request: FastifyRequest): Caller {
    const { caller } = this.#of(request)
    if (caller === undefined) throw new Error('a handler ran for a request without a caller')
    return caller
  }

  done(request: FastifyRequest, subject: string | undefined): void {
    if (subject !== undefined) this.#of(request).subject = subject
  }

  refused(request: FastifyRequest, problem: Problem): void {
    this.#of(request).problem = problem
  }

  /** Writes the audit log where there is something to write. Returns how long the answer took. */
  end(request: FastifyRequest, status: number): { readonly seconds: number } {
    const record = this.#of(request)
    const { begunMs, receivedMs, operation, caller, problem } = record
    const seconds = (performance.now() - (receivedMs ?? begunMs)) / 1000
    if (operation === undefined) return { seconds }
    const outcome = problem?.type ?? 'done'
    const isWorthIt =
      outcome === 'too-many-requests'
        ? this.#excess.take(caller?.id ?? this.#addressOf(request.raw)) === 0
        : operation.method !== 'GET' || (outcome !== 'done' && refusals.includes(outcome))
    if (isWorthIt) this.#write(request, record, status)
    return { seconds }
  }

  /** Writes the audit log of an answer that has begun: whoever gets it may not wait for its end. */
  answers(request: FastifyRequest, status: number): void {
    this.#write(request, this.#of(request), status)
  }

  #write(request: FastifyRequest, { operation, caller, problem, subject }: RequestRecord, status: number): void {
    audit(this.#log, {
      requestId: request.id,
      caller,
      address: this.#addressOf(request.raw),
      method: request.method,
      route: operation?.route,
      subject: subject ?? request.url.replace(/[?#].*$/s, '').slice(apiPrefix.length),
      outcome: problem?.type ?? 'done',
      status,
      ...(problem !== undefined && { why: problem.message }),
    })
  }

  #of(request: FastifyRequest): RequestRecord {
    const known = this.#records.get(request)
    if (known !== undefined) return known
    const begun: RequestRecord = { begunMs: performance.now() }
    this.#records.set(request, begun)
    return begun
  }
}
