import { EventEmitter } from 'node:events'
import type { Message } from '../../../control-plane/src/store/protocol-types.ts'
import { calls } from '../../../control-plane/src/store/protocol.ts'
import { StoreUnavailable } from '../../../control-plane/src/store/errors.ts'
import { EtcdError } from '../etcd/etcd-error.ts'
import type { SimulatedEtcd } from '../etcd/etcd.ts'
import type { WatchedPart } from '../etcd/watched-part.ts'
import { Line } from '../world/line.ts'
import { mustRun, type Thread } from '../world/simulated-process.ts'
import type { Way } from '../world/way.ts'

/** A place from which etcd is reached. */
export interface HasEtcd {
  readonly etcd: SimulatedEtcd
  readonly toEtcd: Way
}

/** As gRPC does: after so long without an answer to its pings, a connection is given up. */
const keepAliveMs = 15_000

type Callback = (failure: { code: number; details: string } | null, response?: object) => void

/** Stands for the endpoints of etcd: one member, over the simulated network. */
export class Members {
  readonly count = 1
  readonly #thread = mustRun()
  readonly #client: SimulatedClient
  readonly #place: HasEtcd

  constructor() {
    this.#place = this.#thread.process.place as HasEtcd
    this.#client = new SimulatedClient(this.#thread, this.#place)
  }

  async connected(untilMs: number, signal?: AbortSignal): Promise<{ address: string; client: SimulatedClient }> {
    for (;;) {
      signal?.throwIfAborted()
      // A connection that stands looks well although nothing comes through.
      if (!this.#place.toEtcd.breaks) return { address: 'etcd', client: this.#client }
      if (performance.now() >= untilMs) {
        throw new StoreUnavailable('etcd cannot be reached at etcd', { mayHaveHappened: false })
      }
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
  }

  failed(): void {
    // There is no other one.
  }

  silent(): void {
    // A stream that dies here takes no other one along, and a new one is a connection of its own.
  }

  close(): void {
    this.#client.close()
  }
}

/** As much of a gRPC client as the store uses. */
class SimulatedClient {
  readonly #thread: Thread
  readonly #place: HasEtcd
  readonly #streams = new Set<SimulatedStream>()

  constructor(thread: Thread, place: HasEtcd) {
    this.#thread = thread
    this.#place = place
  }

  makeUnaryRequest(
    path: string,
    _serialize: unknown,
    _deserialize: unknown,
    request: object,
    { deadline }: { readonly deadline: number },
    callback: Callback,
  ): { cancel(): void } {
    let isOver = false
    const end: Callback = (failure, response) => {
      if (isOver) return
      isOver = true
      clearTimeout(late)
      callback(failure, response)
    }
    const late = setTimeout(() => end({ code: 4, details: 'Deadline exceeded' }), deadline - Date.now())
    this.#place.toEtcd.request(
      this.#thread,
      () => answerOf(() => this.#place.etcd.unary(path, request)),
      (outcome) => {
        if ('broken' in outcome) end({ code: 14, details: `connection ${outcome.broken}` })
        else if (outcome.answer instanceof EtcdError) end(outcome.answer)
        else end(null, outcome.answer)
      },
    )
    return { cancel: () => this.#thread.deliver(0, () => end({ code: 1, details: 'Cancelled on client' })) }
  }

  makeBidiStreamRequest(path: string): SimulatedStream {
    const stream = new SimulatedStream(path, this.#thread, this.#place)
    this.#streams.add(stream)
    stream.once('over', () => this.#streams.delete(stream))
    return stream
  }

  close(): void {
    for (const stream of [...this.#streams]) stream.cancel()
  }
}

function answerOf(ask: () => object): object | EtcdError {
  try {
    return ask()
  } catch (error) {
    if (error instanceof EtcdError) return error
    throw error
  }
}

/** A stream of watches or of renewals. */
class SimulatedStream extends EventEmitter {
  readonly #etcd: SimulatedEtcd
  readonly #thread: Thread
  readonly #there: Line
  readonly #back: Line
  readonly #path: string
  readonly #unread: object[] = []
  readonly #forget: readonly (() => void)[]
  #watch: WatchedPart | undefined
  #isPaused = true
  #isOver = false

  constructor(path: string, thread: Thread, { etcd, toEtcd }: HasEtcd) {
    super()
    this.#path = path
    this.#thread = thread
    this.#etcd = etcd
    const { world } = thread.process
    this.#there = new Line({ world, ways: [toEtcd], onBroken: () => this.#atServerEnd() })
    this.#back = new Line({ world, ways: [toEtcd], to: thread, onBroken: () => this.#break('reset') })
    const end = (): void => this.#atServerEnd()
    thread.process.onEnd.add(end)
    this.#forget = [() => thread.process.onEnd.delete(end), toEtcd.onChange(() => this.#askForLife(toEtcd))]
  }

  write(message: object): void {
    if (this.#isOver) return
    this.#there.send(() => this.#heard(message))
  }

  pause(): void {
    this.#isPaused = true
  }

  resume(): void {
    this.#isPaused = false
    this.#thread.deliver(0, () => this.#read())
  }

  cancel(): void {
    this.#end()
  }

  #heard(message: object): void {
    if (this.#path === calls.keepLeaseAlive.path) {
      const left = this.#etcd.renew(message)
      this.#back.send(() => this.#take(left))
      return
    }
    const { createRequest }: Message<'WatchRequest'> = message
    if (createRequest === undefined) this.#watch?.progress()
    else this.#watch = this.#etcd.watch(createRequest, (response) => this.#back.send(() => this.#take(response)))
  }

  #take(message: object): void {
    if (this.#isOver) return
    this.#unread.push(message)
    this.#read()
  }

  #read(): void {
    while (!this.#isPaused && !this.#isOver) {
      const next = this.#unread.shift()
      if (next === undefined) return
      this.emit('data', next)
    }
  }

  #askForLife(way: Way): void {
    if (way.carries || way.breaks) return
    this.#thread.run(() => {
      setTimeout(() => {
        if (way.fate === 'frozen' || !way.carries) this.#break('keepalive')
      }, keepAliveMs)
    })
  }

  #break(why: string): void {
    if (this.#isOver) return
    this.#end()
    this.emit('error', { code: 14, details: `connection ${why}` })
  }

  #end(): void {
    if (this.#isOver) return
    this.#isOver = true
    this.#atServerEnd()
    this.#back.end()
    for (const forget of this.#forget) forget()
    this.emit('over')
  }

  #atServerEnd(): void {
    this.#there.end()
    if (this.#watch !== undefined) this.#etcd.unwatch(this.#watch)
  }
}
