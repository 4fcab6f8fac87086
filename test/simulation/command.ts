import { Command, Option } from 'commander'
import { wholeNumber } from '../whole-number.ts'
import { mutants } from './mutants.ts'
import { replaceOutside } from './replacements.ts'
import { real, replaceGlobals } from './world/globals.ts'

/**
 * Simulates runs and prints the first that fails, with its seed, as few faults as bring it about, and what happened. A
 * process of its own: it has other clocks, timers and random numbers than Node's. It ends with 1 where a run failed, and
 * where it was told a mutant and none did.
 */
const { seed, runs, ...options } = new Command('node test/simulation/command.ts')
  .description('simulate runs, and tell the first that fails')
  .option('--seed <seed>', 'of the first run; each further one has the next', wholeNumber(0, 2 ** 32), 1)
  .option('--runs <count>', 'how many', wholeNumber(1, 1e9), 500)
  .addOption(new Option('--mutant <mutant>', 'break the program so, which must be found').choices(Object.keys(mutants)))
  .option('--story', 'tell everything of every run')
  .parse()
  .opts<{ seed: number; runs: number; mutant?: string; story?: true }>()
const mutant = options.mutant === undefined ? undefined : mutants[options.mutant]
replaceOutside(mutant)
replaceGlobals()
// Only now: what they load is given the simulated parts.
const { run } = await import('./run.ts')
const { shortestFailure } = await import('./shortest.ts')

const beganMs = real.performanceNow()
const counted = { done: 0, failed: 0, poisoned: 0, redelivered: 0, leaderships: 0 }
let restedMs = 0
let virtualMs = 0
let failure: readonly string[] | undefined
let at = seed
for (; at < seed + runs && failure === undefined; at += 1) {
  const came = await run({ seed: at, tells: options.story === true })
  if (options.story) console.log([...came.story, ...came.faults].join('\n'))
  for (const [name, sum] of Object.entries(counted)) {
    Object.assign(counted, { [name]: sum + came.counted[name as keyof typeof counted] })
  }
  restedMs = Math.max(restedMs, came.restedMs)
  virtualMs += came.virtualMs
  if (came.violations.length === 0) continue
  // What is broken on purpose needs no explanation.
  if (mutant === undefined) failure = await shortestFailure(at, came)
  else failure = [`seed ${at}:`, ...came.violations.slice(0, 10), ...came.faults]
}
const seconds = (real.performanceNow() - beganMs) / 1000
const what = `${at - seed} runs, ${Math.round(virtualMs / 1000)} simulated s in ${seconds.toFixed(1)} s (${(process.cpuUsage().user / 1e6).toFixed(1)} s of CPU), at rest within ${restedMs} ms, ${JSON.stringify(counted)}`
console.log(failure === undefined ? `held: ${what}` : `FAILED: ${failure.join('\n')}\n${what}`)
process.exitCode = (failure === undefined) === (mutant === undefined) ? 0 : 1
