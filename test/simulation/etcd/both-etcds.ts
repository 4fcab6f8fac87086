import { EtcdClient } from '../../../control-plane/src/store/etcd-client.ts'
import { Inbox } from '../../../control-plane/src/store/inbox.ts'
import type { Message } from '../../../control-plane/src/store/protocol-types.ts'
import { type Call, calls, type WatchResponse } from '../../../control-plane/src/store/protocol.ts'
import { storeError } from '../../../control-plane/src/store/store-errors.ts'
import { Events, randomOf } from '../../../agent/test/election/model/events.ts'
import { Etcd, type EtcdOptions } from '../../../control-plane/test/support/etcd.ts'
import { EtcdError } from './etcd-error.ts'
import { SimulatedEtcd } from './etcd.ts'

/** One etcd, asked by the messages of its API. */
export interface Asked {
  unary<Request, Response>(call: Call<Request, Response>, request: Request): Promise<Response>
  /** Every event from a revision up to another, and how the watch ended where it did. */
  watched(request: Message<'WatchCreateRequest'>, upTo: bigint): Promise<readonly WatchResponse[]>
  compact(revision: bigint): Promise<void>
  /** Lets time pass. */
  pass(ms: number): Promise<void>
  close(): Promise<void>
}

/** A real etcd on loopback. */
export async function realEtcd(options: EtcdOptions = {}): Promise<Asked> {
  const etcd = await Etcd.start(options)
  const client = new EtcdClient({ endpoints: etcd.endpoints })
  return {
    unary: (call, request) => client.unary(call, request, { writes: true }),
    async watched(createRequest, upTo) {
      const member = await client.connected(performance.now() + 5000)
      const stream = client.stream(member, calls.watch)
      const inbox = new Inbox(stream, 'a watch')
      const heard: WatchResponse[] = []
      try {
        stream.write({ createRequest })
        for (;;) {
          const response = await inbox.next(5000, new AbortController().signal)
          if (response === undefined) throw new Error('the watch says nothing more')
          heard.push(response)
          const last = response.events.at(-1)
          if (response.canceled || (last !== undefined && last.kv.modRevision >= upTo)) return heard
        }
      } finally {
        inbox.close()
      }
    },
    compact: async (revision) => {
      await etcd.etcdctl('compaction', String(revision))
    },
    pass: (ms) => new Promise((resolve) => setTimeout(resolve, ms)),
    close: async () => {
      client.close()
      await etcd.close()
    },
  }
}

/** The simulated one, asked in the same way. Its answers are taken as they are: no encoder stands between. */
export function simulatedEtcd(room: SimulatedEtcd['room'] = 'left'): Asked {
  const events = new Events()
  const random = randomOf(1)
  const etcd = new SimulatedEtcd({ after: (ms, run) => events.after(ms, run), random })
  etcd.room = room
  return {
    unary: (call, request) => {
      try {
        return Promise.resolve(etcd.unary(call.path, request as object) as never)
      } catch (error) {
        if (!(error instanceof EtcdError)) throw error
        const name = call.path.slice(call.path.lastIndexOf('/') + 1)
        return Promise.reject(storeError(error, { name, writes: true }))
      }
    },
    watched: (request, upTo) => {
      const heard: WatchResponse[] = []
      const watch = etcd.watch(request, (response) => heard.push(response as WatchResponse))
      etcd.unwatch(watch)
      const last = heard.at(-1)?.events.at(-1)
      if (last !== undefined && last.kv.modRevision < upTo) throw new Error('the watch says nothing more')
      return Promise.resolve(heard)
    },
    compact: (revision) => {
      etcd.keys.compact(revision)
      return Promise.resolve()
    },
    pass: (ms) => {
      events.runUntil(events.nowMs + ms, 1e6)
      return Promise.resolve()
    },
    close: () => Promise.resolve(),
  }
}
