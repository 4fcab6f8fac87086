import { EventEmitter } from 'node:events'
import { mustRun } from '../world/simulated-process.ts'
import type { HasControlPlane } from './web-socket.ts'

/** `request` of `node:http`, as far as a standby's probe of the control plane goes. */
export function request(
  url: URL,
  { signal }: { readonly signal: AbortSignal },
  answered: (response: { readonly statusCode: number; destroy(): void }) => void,
): EventEmitter & { end(): void } {
  const thread = mustRun()
  const sent = Object.assign(new EventEmitter(), { end: () => undefined })
  const place = thread.process.place as HasControlPlane
  signal.addEventListener('abort', () => sent.emit('error', signal.reason), { once: true })
  place.toControlPlane.request(
    thread,
    () => place.chosenPod() !== undefined,
    (outcome) => {
      if (signal.aborted) return
      if ('answer' in outcome && outcome.answer) answered({ statusCode: 204, destroy: () => undefined })
      else sent.emit('error', new Error(`connect ECONNREFUSED ${url.host}`))
    },
  )
  return sent
}
