import type { Log } from '@regent/runtime/logging/log.ts'
import { Compacted, StoreUnavailable } from './errors.ts'
import type { EtcdClient } from './etcd-client.ts'
import type { KeyValue, WatchEvent } from './key-value.ts'
import { snapshot } from './list.ts'
import { isAborted, Retry } from './retry.ts'
import { watch } from './watch.ts'

/** What is below a prefix: all of it, or what has changed since. */
export type FollowUpdate =
  | { readonly kind: 'snapshot'; readonly items: readonly KeyValue[]; readonly revision: bigint }
  | { readonly kind: 'changes'; readonly events: readonly WatchEvent[]; readonly revision: bigint }

/**
 * What is below a prefix, then what happens there, until the signal is aborted. Where the watch cannot go on because
 * etcd does not have the revision any more, everything is listed again: a snapshot replaces all that was known.
 *
 * Not guaranteed: that each change is seen, where a snapshot steps over it; nor that anything comes while etcd is
 * away.
 * @throws StoreRefused where the request is wrong. What etcd forbids is asked again: it may be allowed later
 */
export async function* follow(
  client: EtcdClient,
  prefix: string,
  signal: AbortSignal,
  log: Log,
): AsyncGenerator<FollowUpdate, void, undefined> {
  const ended = AbortSignal.any([signal, client.closed])
  const retry = new Retry()
  while (!isAborted(ended)) {
    try {
      const { items, revision } = await snapshot(client, prefix, { signal: ended })
      retry.succeeded()
      yield { kind: 'snapshot', items, revision }
      for await (const changes of watch(client, prefix, { after: revision, signal: ended }, log)) {
        yield { kind: 'changes', ...changes }
      }
    } catch (error) {
      if (isAborted(ended)) return
      if (!(error instanceof Compacted || error instanceof StoreUnavailable)) throw error
      log.info('etcd-list-again', { prefix, message: error.message })
      await retry.wait(ended)
    }
  }
}
