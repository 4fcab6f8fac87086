import { parseArgs } from 'node:util'
import { mutants } from './mutants.ts'
import { replaceOutside } from './replacements.ts'
import { real, replaceGlobals } from './world/globals.ts'

const { values } = parseArgs({
  options: {
    seed: { type: 'string', default: process.env['SEED'] ?? '1' },
    runs: { type: 'string', default: process.env['RUNS'] ?? '200' },
    mutant: { type: 'string' },
    story: { type: 'boolean', default: false },
  },
})
const mutant = values.mutant === undefined ? undefined : mutants[values.mutant]
replaceOutside(mutant)
replaceGlobals()
// Only now: what they import is replaced.
const { run } = await import('./run.ts')

const began = real.performanceNow()
let done = 0
for (let seed = Number(values.seed); seed < Number(values.seed) + Number(values.runs); seed += 1) {
  const came = await run({ seed, tells: values.story })
  done += 1
  if (values.story) console.log(came.story.join('\n'))
  if (Number(values.runs) <= 20 || came.violations.length > 0) {
    console.log(
      seed,
      JSON.stringify({ ...came.counted, restedMs: came.restedMs, steps: came.steps, virtualMs: came.virtualMs }),
    )
    console.log(came.violations.slice(0, 5).join('\n'), '\n', came.faults.join('\n'))
  }
}
console.log(
  `${done} runs in ${((real.performanceNow() - began) / 1000).toFixed(1)} s, ${(process.cpuUsage().user / 1e6).toFixed(1)} s of CPU`,
)
