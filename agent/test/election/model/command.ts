import { parseArgs } from 'node:util'
import { firstFailure } from './runs.ts'
import { scenes } from './scenes.ts'

/**
 * Plays one scene of the model, or all of them, and prints the first failure with its seed:
 *
 *     node agent/test/election/model/command.ts [--scene 'holds its invariants'] [--seed 1] [--runs 800]
 *
 * Outside of jest, whose isolated globals make it several times slower.
 */
const { values } = parseArgs({
  options: {
    scene: { type: 'string', default: '' },
    seed: { type: 'string', default: '1' },
    runs: { type: 'string', default: '800' },
  },
})

const chosen = Object.entries(scenes).filter(([name]) => name.startsWith(values.scene))
if (chosen.length === 0) {
  console.error(
    `expected --scene to begin like one of these, got '${values.scene}':\n${Object.keys(scenes).join('\n')}`,
  )
  process.exitCode = 2
}
for (const [name, { share, play }] of chosen) {
  const count = Math.max(1, Math.round(Number(values.runs) * share))
  const failure = firstFailure({ from: Number(values.seed), count }, play)
  console.log(`${failure === undefined ? 'held' : 'FAILED'}: ${name} (${count} runs)`)
  if (failure === undefined) continue
  console.log(failure)
  process.exitCode = 1
}
