import type { Store } from '../../../control-plane/src/store/store.ts'

export interface PutLoad {
  /** So many are under way at once. */
  readonly concurrency: number
  readonly seconds: number
  readonly valueBytes: number
}

/**
 * Puts single keys, each over another and each by a request of its own, by the control plane's own store.
 * @returns how many were done in a second
 */
export async function putsPerSecond(
  store: Pick<Store, 'transact'>,
  { concurrency, seconds, valueBytes }: PutLoad,
): Promise<number> {
  const value = 'x'.repeat(valueBytes)
  // What is asked in its own way is not joined with others.
  const alone = { timeoutMs: 5000 }
  const beganMs = performance.now()
  const untilMs = beganMs + seconds * 1000
  let count = 0
  await Promise.all(
    Array.from({ length: concurrency }, async (_, index) => {
      while (performance.now() < untilMs) {
        await store.transact({ when: [], then: [{ put: `/bench/puts/${index}-${count % 1000}`, value }] }, alone)
        count += 1
      }
    }),
  )
  return count / ((performance.now() - beganMs) / 1000)
}
