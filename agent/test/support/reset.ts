import type { Socket } from 'node:net'

/**
 * Ends a connection with a reset. One whose own end is on its way already is closed instead: Node refuses a reset
 * then, keeps the handle, and never gets to the end of the process.
 */
export function reset(socket: Socket): void {
  if (socket.writableEnded && !socket.writableFinished) socket.destroy()
  else socket.resetAndDestroy()
}
