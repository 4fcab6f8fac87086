import type { Field } from './field.ts'
import { deleteLease } from './lease.ts'
import { within, type Heard, type Replica } from './replica.ts'
import { Standstill } from './standstill.ts'

/** Who leads after a fault, and how long nobody did, by the clock of the harness. */
export interface Takeover {
  readonly leader: Replica
  readonly word: Heard & { readonly event: 'leading' }
  /** From the end of the leadership before until the new leader said that it leads, in milliseconds. */
  readonly milliseconds: number
  /** Of these, those in which the harness itself did not stand still: what an upper bound is compared with. */
  readonly awakeMilliseconds: number
}

/**
 * Does something to the leader.
 *
 * @returns when the leadership ended, or what there is to wait for to know it
 */
export type Fault = (leader: Replica, field: Field) => number | Promise<number>

/**
 * A graceful stop. It ends the leadership when the leader says so, which is after it drained: client-go says it after
 * it gave the Lease back, Regent's agent before.
 */
export const terminated: Fault = async (leader) => {
  const ended = new Promise<number>((resolve) =>
    leader.on('heard', ({ event, atMs }) => {
      if (event === 'ended') resolve(atMs)
    }),
  )
  leader.signal('SIGTERM')
  return within(ended, 30, () => leader.tail)
}

/** A graceful stop of a leader that has nothing to drain: from the signal on. */
export const asked: Fault = (leader) => leader.signal('SIGTERM')

export const killed: Fault = (leader) => leader.signal('SIGKILL')

/** The leader ends by an exception that nobody catches. */
export const crashed: Fault = (leader) => leader.signal('SIGHUP')

/** The event loop of the leader hangs for longer than anybody waits. Its watchdog kills the process. */
export const hung: Fault = (leader) => leader.block(60_000)

/** The leader stands still, as a paused virtual machine does, until it gets SIGCONT. */
export const paused: Fault = (leader) => leader.signal('SIGSTOP')

/** Nothing comes or goes between the leader and the API server, until its proxy passes again. */
export const cutOff: Fault = async (leader) => {
  await leader.apiProxy.set('freeze')
  return performance.now()
}

export const leaseDeleted: Fault = async (_, field) => {
  const sentAtMs = performance.now()
  await deleteLease(field.namespace, field.replica(0).place.lease)
  return sentAtMs
}

/** Does the fault and waits for the next leadership, whoever's it is. @throws after so many seconds */
export async function takeover(field: Field, fault: Fault, seconds: number): Promise<Takeover> {
  const leader = await field.leader(30)
  const listeners: (() => void)[] = []
  const next = new Promise<Pick<Takeover, 'leader' | 'word'>>((resolve) => {
    for (const replica of field.replicas) {
      const listener = (word: Heard): void => {
        if (word.event === 'leading') resolve({ leader: replica, word })
      }
      replica.on('heard', listener)
      listeners.push(() => replica.off('heard', listener))
    }
  })
  const standstill = new Standstill()
  try {
    const [endedAtMs, found] = await Promise.all([
      fault(leader, field),
      within(next, seconds, () => `no takeover from ${leader.name}\n${field.tails}`),
    ])
    const milliseconds = found.word.atMs - endedAtMs
    return { ...found, milliseconds, awakeMilliseconds: milliseconds - standstill.stop() }
  } finally {
    standstill.stop()
    for (const stop of listeners) stop()
  }
}
