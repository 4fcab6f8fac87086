import { type ClientDuplexStream, type ServiceError } from '@grpc/grpc-js'
import { StoreUnavailable } from './errors.ts'
import { storeError } from './store-errors.ts'

/**
 * The messages of a stream, one at a time: the stream stands still while nobody asks, so that a slow reader holds up
 * the sender and not our memory.
 */
export class Inbox<Request, Response> {
  readonly #stream: ClientDuplexStream<Request, Response>
  readonly #waiting: Response[] = []
  #ended: Error | undefined
  #wake: (() => void) | undefined

  /** @param name what the stream is for, in errors */
  constructor(stream: ClientDuplexStream<Request, Response>, name: string) {
    this.#stream = stream
    stream.on('data', (message: Response) => {
      this.#waiting.push(message)
      stream.pause()
      this.#wake?.()
    })
    stream.on('error', (error: ServiceError) => this.#end(storeError(error, { name, writes: false })))
    stream.on('end', () => this.#end(new StoreUnavailable(`etcd ended ${name}`, { mayHaveHappened: false })))
    stream.pause()
  }

  /**
   * The next message; `undefined` when none came in time, or the signal was aborted.
   * @throws StoreUnavailable or another error of the store when the stream has ended
   */
  async next(withinMs: number, signal: AbortSignal): Promise<Response | undefined> {
    if (this.#waiting.length === 0 && this.#ended === undefined && !signal.aborted) {
      await new Promise<void>((resolve) => {
        const timer = setTimeout(done, Math.max(0, withinMs))
        function done(): void {
          clearTimeout(timer)
          signal.removeEventListener('abort', done)
          resolve()
        }
        signal.addEventListener('abort', done, { once: true })
        this.#wake = done
        this.#stream.resume()
      })
      this.#wake = undefined
    }
    const message = this.#waiting.shift()
    if (message === undefined && this.#ended !== undefined) throw this.#ended
    return message
  }

  /** Ends the stream; what it still brings is not looked at. */
  close(): void {
    this.#stream.cancel()
  }

  #end(error: Error): void {
    this.#ended ??= error
    this.#wake?.()
  }
}
