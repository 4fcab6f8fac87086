import { waitFor } from '../../../test/cluster/wait-for.ts'
import { openLog } from '@regent/runtime/logging/log.ts'
import { StoreFull } from '../../src/store/errors.ts'
import { keys } from '../../src/store/keys.ts'
import { Store, type StoreTls } from '../../src/store/store.ts'
import type { Etcd } from './etcd.ts'

/** A store on an etcd, with a log that tests read: one parsed line per call. */
export function openStore(
  etcd: Pick<Etcd, 'endpoints'>,
  options: { readonly tls?: StoreTls; readonly lines?: unknown[] } = {},
): Store {
  const { tls, lines } = options
  return new Store({
    endpoints: etcd.endpoints,
    tls,
    log: openLog({
      level: 'debug',
      always: {},
      destination: { write: (line: string) => void lines?.push(JSON.parse(line)) },
    }),
  })
}

/**
 * Writes agents `fill-0` and so on until etcd, which was started with a small quota, is full and has raised its alarm:
 * before that it may take what is small. The write that passes the quota it does and refuses, so one of them may be there.
 */
export async function fill(etcd: Etcd, store: Pick<Store, 'transact'>): Promise<void> {
  let written = 0
  await waitFor(
    'the alarm of a full etcd',
    async () => {
      const put = { put: keys.agent(`fill-${written}`), value: 'x'.repeat(200 * 1024) }
      written += 1
      await store.transact({ when: [], then: [put] }).catch((error: unknown) => {
        if (!(error instanceof StoreFull)) throw error
      })
      return (await etcd.etcdctl('alarm', 'list')).includes('NOSPACE')
    },
    { everyMilliseconds: 1 },
  )
}

/** The text of a stored value. */
export function text(stored: { readonly value: Uint8Array } | undefined): string | undefined {
  return stored && Buffer.from(stored.value).toString('utf8')
}
