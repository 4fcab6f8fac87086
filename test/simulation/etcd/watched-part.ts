import type { Message } from '../../../control-plane/src/store/protocol-types.ts'
import { type Event, type KeySpace, keysOf } from './key-space.ts'

/** One watch of etcd: what happens to some keys, from a revision on. */
export class WatchedPart {
  readonly #keys: KeySpace
  readonly #request: Message<'WatchCreateRequest'>
  readonly #tell: (response: object) => void
  readonly #covers: (key: string) => boolean
  #isOver = false

  constructor(keys: KeySpace, request: Message<'WatchCreateRequest'>, tell: (response: object) => void) {
    this.#keys = keys
    this.#request = request
    this.#tell = tell
    this.#covers = keysOf(request)
  }

  /** Tells that it was made, and what has happened since the revision that was asked for. */
  begin(): void {
    const { startRevision = 0n } = this.#request
    const { compacted, log } = this.#keys
    this.#say({ created: true })
    if (startRevision > 0n && startRevision < compacted) {
      this.#isOver = true
      this.#say({ canceled: true, compactRevision: compacted })
      return
    }
    if (startRevision > 0n) this.changed(log)
  }

  changed(events: readonly Event[]): void {
    const { startRevision = 0n } = this.#request
    const mine = events.filter(({ kv, key }) => kv.modRevision >= startRevision && this.#covers(key))
    if (mine.length > 0 && !this.#isOver) this.#say({ events: mine })
  }

  /** Tells how far it has come. */
  progress(): void {
    // Of all watches of the stream together, as etcd numbers it.
    if (!this.#isOver) this.#say({ watchId: -1n })
  }

  #say(what: object): void {
    this.#tell({
      header: { revision: this.#keys.revision },
      watchId: 0n,
      created: false,
      canceled: false,
      compactRevision: 0n,
      cancelReason: '',
      fragment: false,
      events: [],
      ...what,
    })
  }
}
