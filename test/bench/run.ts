import { parseArgs } from 'node:util'
import { benchGrowth } from './growth.ts'
import { benchSynth } from './synth.ts'

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { takeovers: { type: 'string', default: '100' } },
})
const takeovers = Number(values.takeovers)
if (!Number.isInteger(takeovers) || takeovers < 1) {
  console.error(`--takeovers: expected a whole number from 1 on, got ${values.takeovers}`)
  process.exit(2)
}

/** Every benchmark by its name: `npm run bench -- synth` runs one of them. */
const benchmarks: Readonly<Record<string, () => Promise<void> | void>> = {
  synth: benchSynth,
  growth: benchGrowth,
  // It needs a cluster, which the others should not load.
  election: async () => (await import('./election.ts')).benchElection(takeovers),
}

const unknown = positionals.filter((name) => !(name in benchmarks))
if (unknown.length > 0) {
  console.error(`unknown benchmark ${unknown.join(', ')}; known are ${Object.keys(benchmarks).join(', ')}`)
  process.exit(2)
}
for (const [name, benchmark] of Object.entries(benchmarks)) {
  if (positionals.length > 0 && !positionals.includes(name)) continue
  console.log(`\n${name}`)
  await benchmark()
}
