import type { ElectionEvents } from './election.ts'

/** The same words are told once in this time while an outage lasts, in milliseconds. */
const repeatedMs = 30_000

/**
 * What the log says of an API server that does not answer: when that begins and why, once more when the words are
 * others, now and then while it lasts, and when it is over. It owns no timer: times are passed to it.
 */
export class OutageNotices {
  readonly #toldMs = new Map<string, number>()
  #sinceMs: number | undefined

  /**
   * @param why how the last request failed; `undefined` where the API server answers
   * @returns what is worth a line now
   */
  hear(why: string | undefined, nowMs: number): ElectionEvents['notice'] | undefined {
    if (why === undefined) return this.#answers(nowMs)
    this.#sinceMs ??= nowMs
    for (const [words, toldMs] of this.#toldMs) if (nowMs - toldMs >= repeatedMs) this.#toldMs.delete(words)
    if (this.#toldMs.has(why)) return undefined
    this.#toldMs.set(why, nowMs)
    const message = 'the API server does not answer: without it nobody can renew the Lease or take it'
    return ['warn', 'api-server-unreachable', { message, why }]
  }

  #answers(nowMs: number): ElectionEvents['notice'] | undefined {
    if (this.#sinceMs === undefined) return undefined
    const seconds = (nowMs - this.#sinceMs) / 1000
    this.#sinceMs = undefined
    this.#toldMs.clear()
    return ['info', 'api-server-answers', { seconds }]
  }
}
