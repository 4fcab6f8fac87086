import { benchGrowth } from './growth.ts'
import { benchSynth } from './synth.ts'

/** Every benchmark by its name: `npm run bench -- synth` runs one of them. */
const benchmarks: Readonly<Record<string, () => Promise<void> | void>> = { synth: benchSynth, growth: benchGrowth }

const wanted = process.argv.slice(2)
const unknown = wanted.filter((name) => !(name in benchmarks))
if (unknown.length > 0) {
  console.error(`unknown benchmark ${unknown.join(', ')}; known are ${Object.keys(benchmarks).join(', ')}`)
  process.exit(2)
}
for (const [name, benchmark] of Object.entries(benchmarks)) {
  if (wanted.length > 0 && !wanted.includes(name)) continue
  console.log(`\n${name}`)
  await benchmark()
}
