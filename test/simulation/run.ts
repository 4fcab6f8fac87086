/**
 * The chain from an election to a stored result, simulated: replicas of the agent and pods of the control plane in one
 * Node process, in virtual time, and every run told by its seed. What the checker of the real chain
 * (`test/chain/history/`) demands of a history it demands of each of these.
 *
 * Real, and unchanged, loaded from the sources of the programs:
 * - of the agent: `LeaseElection`, `Elector` with its machine, Lease client and Lease watch, `LeaseReign` and its shared
 *   deadline, `ControlLink` with probe, term, link, connection, executor and outbox, and `fencedWrite`;
 * - of the control plane: `Store` with its client, leases, watches and lists, `Hub` with everything below it,
 *   `Commands`, `AgentQueue` and `Sweep`;
 * - what they say to each other, as the contract has it.
 *
 * Simulated, in place of what these import (`replacements.ts`): clocks that run at 0.95 to 1.05 and whose walls are a
 * second apart, timers, random numbers, threads, etcd behind its gRPC client, the API server behind its connection and
 * its watch, with the admission fence, WebSockets, the connections between replicas, and the network. Etcd is as strict
 * as the real one: `etcd/etcd.api.test.ts` asks both the same.
 *
 * An event is what one thread is given at once: a message, a timer, an answer. What follows from it without waiting
 * runs to its end before the next event; which of those that are ready comes first is chance, which is the seed's.
 *
 * Not covered here: HTTP and its API, TLS and identities, health and metrics, frames in parts and full send buffers,
 * members and elections of etcd, a restore of it, bytes that are damaged. Evidence of death is always true
 * (`agent/test/election/model` has it lie). Pauses in which no clock advances. And requests to the Kubernetes API that
 * arrive after their sender has given up on them: one that a pod sent as the leader of a former epoch is let in by the
 * admission fence if that pod leads again by then.
 */
import { randomOf } from '../../agent/test/election/model/events.ts'
import type { Verdict } from '../chain/history/check.ts'
import { type Choice, faults } from './faults.ts'
import { judge } from './judge.ts'
import { World } from './world/world.ts'

/** After the last fault is over, everything must have ended within so much virtual time, in milliseconds. */
const restMs = 60_000
/** When the first fault may come, and the last, in milliseconds. */
const quietMs = 500
const troubleMs = 3500

export interface RunOptions {
  readonly seed: number
  /** Faults that are left out, by their number. */
  readonly without?: ReadonlySet<number>
  readonly tells?: boolean
}

/** What a run came to. */
export interface Run {
  readonly violations: readonly string[]
  readonly faults: readonly string[]
  readonly story: readonly string[]
  readonly counted: Verdict['counted']
  /** How long it took after the last fault until everything had ended, in virtual milliseconds. */
  readonly restedMs: number
  readonly steps: number
  readonly virtualMs: number
}

interface Planned extends Choice {
  readonly number: number
  readonly atMs: number
  readonly fault: (typeof faults)[number]
}

/** What is done to the world, decided before it begins. */
function planOf(seed: number): readonly Planned[] {
  const random = randomOf(seed ^ 0x5eed)
  const count = 1 + Math.floor(random() * 7)
  const planned = Array.from({ length: count }, (_, number): Planned => {
    const fault = faults[Math.floor(random() * faults.length)] ?? faults[0]
    if (fault === undefined) throw new Error('there are no faults')
    // Many are short; some outlast a Lease, and what etcd keeps of a pod.
    const forMs = (80 + random() ** 3 * 5000) * (fault.lastsLonger === true ? 2 : 1)
    const atMs = quietMs + random() * troubleMs
    return { number, fault, atMs, forMs, random: randomOf(Math.floor(random() * 2 ** 32)) }
  })
  return planned.sort((one, other) => one.atMs - other.atMs)
}

/** One run: everything starts, faults come while people ask, then peace, in which everything must end. */
export async function run({ seed, without = new Set(), tells = false }: RunOptions): Promise<Run> {
  const world = new World({ seed, tells })
  const rejected = (error: unknown): void => world.crashed({ name: 'somebody' }, error)
  process.on('unhandledRejection', rejected)
  try {
    const plan = planOf(seed).filter(({ number }) => !without.has(number))
    const told: string[] = []
    let healedMs = quietMs + troubleMs
    for (const { atMs, forMs, fault, random, number } of plan) {
      healedMs = Math.max(healedMs, atMs + forMs)
      world.events.at(atMs, () => {
        const whom = fault.run(world, { random, forMs })
        told.push(`${number}: at ${Math.round(atMs)} ms for ${Math.round(forMs)} ms: ${fault.name} ${whom}`)
        world.say('FAULT', `${fault.name} ${whom} for ${Math.round(forMs)} ms`)
      })
    }
    await world.runUntil(healedMs)
    world.clients.stop()
    let restedMs = 0
    while (world.unrest.length > 0 && restedMs < restMs && world.crashes.length === 0) {
      restedMs += 250
      await world.runUntil(healedMs + restedMs)
    }
    const { violations, counted } = judge(world.history, {
      begun: world.begun,
      acquisitions: world.api.lease.acquisitions,
    })
    const unrest = restedMs < restMs ? [] : world.unrest
    return {
      violations: [
        ...world.crashes.map((what) => `crash: ${what}`),
        ...violations.map(({ invariant, what }) => `${invariant}: ${what}`),
        ...unrest.map((what) => `unrest: after ${restMs / 1000} s of peace ${what}`),
      ],
      faults: told,
      story: world.story,
      counted,
      restedMs,
      steps: world.steps,
      virtualMs: world.events.nowMs,
    }
  } finally {
    process.off('unhandledRejection', rejected)
  }
}
