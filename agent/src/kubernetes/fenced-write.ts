import { performance } from 'node:perf_hooks'
import { setTimeout as pause } from 'node:timers/promises'
import type { Leadership } from '../election/leadership.ts'
import { type ApiRefusal, refusalIn } from './api-refusal.ts'

/** For so long after a leadership began, the API server's copy of the Lease may be older than it, in milliseconds. */
const copyIsBehindMilliseconds = 1000
/** Between attempts, doubling up to the longest: about ten of them in that second. */
const firstPauseMilliseconds = 10
const longestPauseMilliseconds = 160

/** The admission fence refused a write: its sender no longer leads. */
export class Fenced extends Error {
  override readonly name = 'Fenced'
}

/**
 * One write to the Kubernetes API in the name of a leadership. Every write of a leader goes through here.
 *
 * 1. Before each attempt, synchronously, the leadership is asserted: nothing is sent that is known to be late.
 * 2. The admission fence of the cluster refuses what was sent by a pod that does not hold the Lease. That is counted
 *    and thrown as {@link Fenced}, except in the first second of a leadership: then the API server may not have
 *    seen the Lease yet that made us the leader (7 ms at most in 200 takeovers), and the write is tried again.
 * 3. An object that is changed carries the `resourceVersion` that the change was decided on, and a deletion its UID
 *    and `resourceVersion` as preconditions: that is the attempt's own duty.
 *
 * Not guaranteed: that a write happened only while this replica led. A request in a socket may be admitted within
 * the moment in which an API server's copy of the Lease is behind; then only 3 refuses it. And an attempt that failed
 * without an answer may have happened, or happen later: read again before you decide on the next.
 *
 * @param metrics counts what the fence refused
 * @param attempt sends the write once; it gives up when the signal is aborted, and may be called again
 * @throws NotLeading when the leadership is over, before anything was sent
 * @throws Fenced when the fence refused it for good
 */
export async function fencedWrite<T>(
  leadership: Leadership,
  metrics: { countFenced(by: 'admission'): void },
  attempt: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const began = performance.now()
  for (let wait = firstPauseMilliseconds; ; wait = Math.min(2 * wait, longestPauseMilliseconds)) {
    leadership.assert()
    try {
      return await attempt(leadership.signal)
    } catch (error) {
      const refusal = fenceRefusal(error)
      if (refusal === undefined) throw error
      // By both clocks: a wall clock that is set back would make the first second last.
      const isYoung = Date.now() - leadership.since.getTime() < copyIsBehindMilliseconds
      if (!isYoung || performance.now() - began >= copyIsBehindMilliseconds) {
        metrics.countFenced('admission')
        throw new Fenced(`the write of epoch ${leadership.epoch.toString()} was refused: ${refusal.message}`, {
          cause: error,
        })
      }
    }
    // When leading ends meanwhile, the assertion says so.
    await pause(wait, undefined, { signal: leadership.signal }).catch(() => undefined)
  }
}

/**
 * The refusal of the fence in an error, or `undefined`: `fenced: …` where another pod holds the Lease, and
 * `no params found` where there is no Lease, for which the API server says that the object is invalid (422).
 */
function fenceRefusal(error: unknown): ApiRefusal | undefined {
  const refusal = refusalIn(error)
  if (refusal === undefined) return undefined
  const { status, message } = refusal
  const byFence =
    (status === 403 && message.includes('denied request: fenced: ')) ||
    /ValidatingAdmissionPolicy .*no params found/.test(message)
  return byFence ? refusal : undefined
}
