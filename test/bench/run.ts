import { parseArgs } from 'node:util'
import { benchGrowth } from './growth.ts'
import { benchSynth } from './synth.ts'
import { table } from './measure.ts'

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    help: { type: 'boolean', default: false },
    takeovers: { type: 'string', default: '100' },
    failovers: { type: 'string', default: '1000' },
    seed: { type: 'string', default: '1' },
    profile: { type: 'string' },
  },
})
const { help, profile: profileFolder, ...texts } = values
const numbers = Object.fromEntries(Object.entries(texts).map(([name, text]) => [name, Number(text)]))
for (const [name, number] of Object.entries(numbers)) {
  if (Number.isInteger(number) && number >= 1) continue
  console.error(`--${name}: expected a whole number from 1 on, got ${texts[name as keyof typeof texts]}`)
  process.exit(2)
}
const { takeovers = 100, failovers = 1000, seed = 1 } = numbers

interface Benchmark {
  readonly what: string
  /** About how long it takes by default, on two cores that have nothing else to do. */
  readonly minutes: number
  readonly run: () => Promise<void> | void
}

/** Every benchmark by its name: `npm run bench -- synth` runs one of them. */
const benchmarks: Readonly<Record<string, Benchmark>> = {
  synth: { what: 'writing manifests, beside kubectl kustomize', minutes: 1, run: benchSynth },
  growth: { what: 'writing ten times as many', minutes: 1, run: benchGrowth },
  // These need more than the manifests, and the others should not load it.
  commands: {
    what: "commands from end to end beside etcd's own puts: rate, cost, latency. --profile FOLDER",
    minutes: 2,
    run: async () => (await import('./commands.ts')).benchCommands({ profileFolder }),
  },
  connections: {
    what: 'what 10 000 idle agents cost a pod, and how soon they are back after it was killed',
    minutes: 5,
    run: async () => (await import('./connections.ts')).benchConnections(),
  },
  registered: {
    what: 'from the end of a leader until the next is registered. --takeovers N',
    minutes: 15,
    run: async () => (await import('./registered.ts')).benchRegistered(takeovers),
  },
  election: {
    what: "takeovers beside client-go's elector. --takeovers N",
    minutes: 60,
    run: async () => (await import('./election.ts')).benchElection(takeovers),
  },
  failovers: {
    what: 'faults to the whole chain, judged by its history. --failovers N --seed S',
    minutes: 240,
    run: async () => (await import('./failovers.ts')).benchFailovers({ count: failovers, seed }),
  },
}

/** Without a name those run that take no longer, in minutes. */
const quickMinutes = 5

if (help) {
  console.log('npm run bench -- [name …]: without a name, all that take five minutes at most\n')
  const rows = Object.entries(benchmarks).map(([name, { what, minutes }]) => [name, String(minutes), what])
  console.log(table([['name', 'minutes', 'what'], ...rows]))
  process.exit(0)
}
const unknown = positionals.filter((name) => !(name in benchmarks))
if (unknown.length > 0) {
  console.error(`unknown benchmark ${unknown.join(', ')}; known are ${Object.keys(benchmarks).join(', ')}`)
  process.exit(2)
}
for (const [name, { minutes, run }] of Object.entries(benchmarks)) {
  if (positionals.length > 0 ? !positionals.includes(name) : minutes > quickMinutes) continue
  console.log(`\n${name}`)
  await run()
}
