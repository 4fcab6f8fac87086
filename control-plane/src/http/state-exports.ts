import type { ServerResponse } from 'node:http'
import { type StateTrailer, stateMediaType } from '@regent/contract/state-file.ts'
import type { Log } from '@regent/runtime/logging/log.ts'
import type { Caller } from '../identity/caller.ts'
import { exportState } from '../state/export-state.ts'
import { Compacted } from '../store/errors.ts'
import type { Store } from '../store/store.ts'
import type { PreparedStream } from './event-streams.ts'
import { Problem } from './problem.ts'

export interface StateExportsOptions {
  readonly store: Pick<Store, 'count' | 'list' | 'transact'>
  /** URL of this control plane, for the header. */
  readonly from: string
  readonly log: Log
  /** Exports at once. @default 2 */
  readonly mostExports?: number
  /** An export that nobody reads from for so long is ended. @default 30 */
  readonly stallSeconds?: number
  /** Longest time of one export. @default 3600 */
  readonly longestSeconds?: number
}

type Lines = AsyncGenerator<string, StateTrailer, undefined>

/** What is written at once, in characters. */
const chunkCharacters = 64 * 1024

/** Exports of the state, each as fast as it is read and no faster: what nobody reads is not read from etcd either. */
export class StateExports {
  readonly #options: StateExportsOptions
  readonly #open = new Set<AbortController>()
  #isClosed = false

  constructor(options: StateExportsOptions) {
    this.#options = options
  }

  /** How many are under way. */
  get count(): number {
    return this.#open.size
  }

  /**
   * Reads the first line, so that what is wrong from the beginning is an answer and no broken stream.
   *
   * @throws Problem where there are as many exports as there may be
   * @throws StoreUnavailable where etcd is away
   */
  async prepare(caller: Caller): Promise<PreparedStream> {
    const { mostExports = 2, store, from, log } = this.#options
    if (this.#isClosed || this.#open.size >= mostExports) {
      const why = this.#isClosed ? 'this pod stops' : 'as many exports are under way as there may be'
      throw new Problem('too-many-requests', `${why}; come again in a minute`, { headers: { 'retry-after': '60' } })
    }
    const end = new AbortController()
    this.#open.add(end)
    const lines = exportState({
      ...{ store, from, signal: end.signal },
      onUnreadable: (error) => log.error('state-record-left-out', { key: error.key, error }),
    })
    try {
      const { value: first, done } = await lines.next()
      if (done === true) throw new Error('an export ended before its first line')
      return {
        begin: (response, headers) => {
          void this.#run(response, headers, { caller, end, lines, first })
        },
      }
    } catch (error) {
      this.#open.delete(end)
      throw error
    }
  }

  /** Ends all exports. */
  close(): void {
    this.#isClosed = true
    for (const end of this.#open) end.abort()
  }

  async #run(
    response: ServerResponse,
    headers: Readonly<Record<string, string>>,
    { caller, end, lines, first }: { caller: Caller; end: AbortController; lines: Lines; first: string },
  ): Promise<void> {
    const { longestSeconds = 3600, log } = this.#options
    const who = { callerId: caller.id }
    const life = setTimeout(() => end.abort(), longestSeconds * 1000)
    response.on('close', () => end.abort())
    response.on('error', () => end.abort())
    try {
      response.writeHead(200, { ...headers, 'content-type': stateMediaType })
      const { entries, leftOut } = await this.#write(response, lines, first, end)
      response.end()
      log.info('state-exported', { ...who, entries, leftOut })
    } catch (error) {
      const detail = detailOf(error, end.signal)
      log.warn('state-export-failed', { ...who, detail, error: error as Error })
      // Its end is missing for every reader: of lines, of HTTP, of files.
      response.write(`${JSON.stringify({ kind: 'aborted', detail })}\n`, () => response.destroy())
      setTimeout(() => response.destroy(), 1000).unref()
    } finally {
      clearTimeout(life)
      this.#open.delete(end)
      await lines.return({ kind: 'end', entries: 0, checksum: '', leftOut: 0 }).catch(() => undefined)
    }
  }

  async #write(response: ServerResponse, lines: Lines, first: string, end: AbortController): Promise<StateTrailer> {
    let text = `${first}\n`
    for (;;) {
      const next = await lines.next()
      if (!next.done) text += `${next.value}\n`
      if (text.length >= chunkCharacters || next.done) {
        end.signal.throwIfAborted()
        if (!response.write(text)) await this.#drained(response, end)
        text = ''
      }
      if (next.done) return next.value
    }
  }

  /** Waits until what was written has been read. */
  async #drained(response: ServerResponse, end: AbortController): Promise<void> {
    const { stallSeconds = 30 } = this.#options
    await new Promise<void>((resolve) => {
      const stalled = setTimeout(() => end.abort(new Error('it was not read any more')), stallSeconds * 1000)
      const done = (): void => {
        clearTimeout(stalled)
        response.off('drain', done)
        end.signal.removeEventListener('abort', done)
        resolve()
      }
      response.once('drain', done)
      end.signal.addEventListener('abort', done, { once: true })
      if (end.signal.aborted) done()
    })
    end.signal.throwIfAborted()
  }
}

function detailOf(error: unknown, signal: AbortSignal): string {
  if (error instanceof Compacted) return 'etcd has forgotten the moment that was exported; begin again'
  if (signal.aborted) return 'it took too long, was not read, or this pod stops; begin again'
  return 'etcd did not answer in time, or something is wrong here; see the log, and begin again'
}
