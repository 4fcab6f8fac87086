import { EventEmitter } from 'node:events'
import type { WatchEvents } from '../../../agent/src/election/watch.ts'
import type { LeaseChange } from '../world/api-server.ts'
import { Line } from '../world/line.ts'
import { mustRun } from '../world/simulated-process.ts'
import type { HasApiServer } from './api-server.ts'

/** Stands for a watch on the Lease: it ends where its connection breaks, and says nothing where that is half-open. */
export class Watch extends EventEmitter<WatchEvents> {
  readonly #thread = mustRun()
  readonly #place = this.#thread.process.place as HasApiServer
  #resourceVersion: string | undefined
  #stop: (() => void) | undefined

  get resourceVersion(): string | undefined {
    return this.#resourceVersion
  }

  start(resourceVersion?: string): void {
    this.close()
    this.#resourceVersion = resourceVersion
    const { api, toApiServer } = this.#place
    const { world } = this.#thread.process
    const end = (why: string): void => {
      if (this.#stop !== stop) return
      stop()
      this.emit('ended', { reason: 'reset', why })
    }
    const line = new Line({ world, ways: [toApiServer], to: this.#thread, onBroken: () => end('connection reset') })
    const tell = (change: LeaseChange): void =>
      line.send(() => {
        if (this.#stop !== stop) return
        this.#resourceVersion = String(change.version)
        this.emit('event', { type: change.type, object: change.object })
      })
    let unwatch = (): void => undefined
    const stop = (): void => {
      this.#stop = undefined
      clearTimeout(late)
      unwatch()
      line.end()
    }
    const late = setTimeout(() => end('not accepted within 5 s'), 5000)
    this.#stop = stop
    if (toApiServer.breaks) {
      this.#thread.deliver(1, () => end('connection refused'))
      return
    }
    world.events.after(toApiServer.delayMs(), () => {
      if (this.#stop !== stop) return
      line.send(() => {
        clearTimeout(late)
        this.emit('answered')
      })
      if (resourceVersion === undefined) {
        const { lease, version } = api.lease
        if (lease !== undefined)
          tell({ type: 'ADDED', object: lease, version: Number(lease.metadata['resourceVersion'] ?? version) })
      } else for (const change of api.changes) if (change.version > Number(resourceVersion)) tell(change)
      unwatch = api.watch(tell)
    })
  }

  close(): void {
    this.#stop?.()
  }
}
