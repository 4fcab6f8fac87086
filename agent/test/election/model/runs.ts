import { type Fault, faults } from './faults.ts'
import { World, type WorldOptions } from './world.ts'

/** After the last fault has healed somebody must lead within this time, in milliseconds: bounds of I4 and I7. */
const healedMs = 25_000

/** What a run of the model came to: everything that must never happen and did, with what was done before. */
export interface Run {
  readonly violations: readonly string[]
  readonly story: readonly string[]
  readonly world: World
}

/** One run: a leader, then faults at random times on random victims, then peace, in which a leader must exist. */
export function randomRun(options: WorldOptions, choices: readonly Fault[] = faults): Run {
  const world = new World(options)
  const story: string[] = []
  world.run(3000)
  if (world.leaders.length !== 1) world.violations.push(`${world.leaders.length} leaders at the start`)
  const count = 1 + Math.floor(world.random() * 8)
  let longestMs = 0
  for (let index = 0; index < count; index += 1) {
    const fault = choices[Math.floor(world.random() * choices.length)]
    const leader = world.leaders[0]
    const any = world.replicas[Math.floor(world.random() * world.replicas.length)]
    const victim = leader && world.random() < 0.6 ? leader : any
    if (!fault || !victim) continue
    story.push(`${Math.round(world.events.nowMs)} ms: ${fault.name}, ${victim.name}`)
    longestMs = Math.max(longestMs, world.events.nowMs + fault.run(world, victim))
    // Faults come alone, close together, or all at once.
    world.run(world.random() < 0.3 ? 0 : world.random() * 8000)
  }
  world.run(Math.max(0, longestMs - world.events.nowMs))
  for (const replica of world.replicas) replica.link = 'well'
  world.run(healedMs)
  if (world.leaders.length !== 1) {
    world.violations.push(`${world.leaders.length} leaders ${healedMs} ms after the last fault (I7)`)
  }
  const transitions = world.reigns.length - 1
  if (transitions > story.length) {
    world.violations.push(`${transitions} transitions after ${story.length} faults (I5)`)
  }
  return { violations: world.violations, story, world }
}

/** Runs a range of seeds and describes the first that fails so that it can be run again. */
export function firstFailure(
  seeds: { readonly from: number; readonly count: number },
  run: (seed: number) => Run,
): string | undefined {
  for (let seed = seeds.from; seed < seeds.from + seeds.count; seed += 1) {
    const { violations, story } = run(seed)
    if (violations.length > 0) return [`seed ${seed}`, ...violations.slice(0, 5), ...story].join('\n')
  }
  return undefined
}
