import type { Thread } from './simulated-process.ts'

/** What a replica says of itself to the others, and what it hears of them. */
export interface Peer {
  readonly thread: Thread
  readonly pod: string
  /** `podName_podUID_bootUUID` */
  readonly holder: string
  ready: boolean
  reaches: boolean
  hearStandbys(standbys: readonly { readonly pod: string; readonly ready: boolean; readonly reaches: boolean }[]): void
  hearDeath(holder: string): void
}

/** The connections between replicas: who is there, and whose kernel has closed its own because its process ended. */
export class Peers {
  readonly #peers = new Set<Peer>()
  readonly #dead = new Set<string>()

  join(peer: Peer): void {
    this.#peers.add(peer)
    this.changed()
    peer.thread.process.onEnd.add(() => {
      this.#dead.add(peer.holder)
      this.#peers.delete(peer)
      for (const other of this.#peers) other.thread.deliver(this.#delayMs(other), () => other.hearDeath(peer.holder))
      this.changed()
    })
  }

  leave(peer: Peer): void {
    this.#peers.delete(peer)
    this.changed()
  }

  isDead(holder: string): boolean {
    return this.#dead.has(holder)
  }

  /** Tells everybody who there is. */
  changed(): void {
    for (const peer of this.#peers) {
      peer.thread.deliver(this.#delayMs(peer), () => {
        const others = [...this.#peers].filter((other) => other !== peer)
        peer.hearStandbys(others.map(({ pod, ready, reaches }) => ({ pod, ready, reaches })))
      })
    }
  }

  #delayMs({ thread }: Peer): number {
    return 1 + thread.process.world.random() * 8
  }
}
