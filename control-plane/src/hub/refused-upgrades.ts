import type { Duplex } from 'node:stream'

/** How long whoever was refused may take to hear it, in milliseconds. */
const lingerMs = 2_000

/**
 * Connections whose handshake is answered by HTTP. The server has handed them over and lets the other side keep its
 * half open, so nobody else ends them: each is cut off once its answer is on its way, or after a short time.
 */
export class RefusedUpgrades {
  readonly #open = new Set<Duplex>()

  /** Sends an answer, whole, and ends the connection. */
  answer(socket: Duplex, response: string): void {
    if (socket.destroyed) return
    const late = setTimeout(() => socket.destroy(), lingerMs)
    this.#open.add(socket)
    socket.once('close', () => {
      clearTimeout(late)
      this.#open.delete(socket)
    })
    socket.once('finish', () => socket.destroy())
    socket.end(response)
  }

  /** Cuts off those that are still open. */
  destroy(): void {
    for (const socket of this.#open) socket.destroy()
  }
}
