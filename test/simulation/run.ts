import { randomOf } from '../../agent/test/election/model/events.ts'
import { check, type Verdict } from '../chain/history/check.ts'
import { type Choice, faults } from './faults.ts'
import { World } from './world/world.ts'

/** After the last fault is over, everything must have ended within so much virtual time, in milliseconds. */
const restMs = 120_000
/** When the first fault may come, and the last, in milliseconds. */
const quietMs = 1000
const troubleMs = 5000

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
    const forMs = (100 + random() ** 3 * 7000) * (fault.lastsLonger === true ? 2 : 1)
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
    while (!world.isAtRest && restedMs < restMs && world.crashes.length === 0) {
      restedMs += 250
      await world.runUntil(healedMs + restedMs)
    }
    const { violations, counted } = check(world.history)
    return {
      violations: [...world.crashes, ...violations.map(({ invariant, what }) => `${invariant}: ${what}`)],
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
