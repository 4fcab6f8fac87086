import { openLog } from '@regent/runtime/logging/log.ts'
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

/** The text of a stored value. */
export function text(stored: { readonly value: Uint8Array } | undefined): string | undefined {
  return stored && Buffer.from(stored.value).toString('utf8')
}
