import { parseArgs } from 'node:util'
import { benchGrowth } from './growth.ts'
import { benchSynth } from './synth.ts'

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    takeovers: { type: 'string', default: '100' },
    failovers: { type: 'string', default: '1000' },
    seed: { type: 'string', default: '1' },
  },
})
const numbers = Object.fromEntries(Object.entries(values).map(([name, text]) => [name, Number(text)]))
for (const [name, number] of Object.entries(numbers)) {
  if (Number.isInteger(number) && number >= 1) continue
  console.error(`--${name}: expected a whole number from 1 on, got ${values[name as keyof typeof values]}`)
  process.exit(2)
}
const { takeovers = 100, failovers = 1000, seed = 1 } = numbers

/** Every benchmark by its name: `npm run bench -- synth` runs one of them. */
const benchmarks: Readonly<Record<string, () => Promise<void> | void>> = {
  synth: benchSynth,
  growth: benchGrowth,
  // These need a cluster, which the others should not load.
  election: async () => (await import('./election.ts')).benchElection(takeovers),
  failovers: async () => (await import('./failovers.ts')).benchFailovers({ count: failovers, seed }),
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
