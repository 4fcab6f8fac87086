import type { Writable } from 'node:stream'

/**
 * Lets what is written to a socket in one turn of the event loop leave it together. A WebSocket hands over each message
 * by itself, and a call of the system for each is most of what sending costs.
 *
 * It holds back only what its writer corked: that is how WebSockets write a message.
 */
export function flushTogether(socket: Pick<Writable, 'uncork'>): void {
  const uncork = socket.uncork.bind(socket)
  let isDue = false
  socket.uncork = () => {
    if (isDue) {
      uncork()
      return
    }
    // The last cork stays until everything that is ready to run has run.
    isDue = true
    process.nextTick(() => {
      isDue = false
      uncork()
    })
  }
}
