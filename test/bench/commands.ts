import { loadavg } from 'node:os'
import type { CommandState } from '@regent/contract/api.ts'
import { randomOf } from '../../agent/test/election/model/events.ts'
import { openCommandRecord } from '../../control-plane/src/commands/command-records.ts'
import { idOf, prefixes } from '../../control-plane/src/store/keys.ts'
import { percentile } from './election.ts'
import { ApiClient } from './load/api-client.ts'
import { CommandLoad } from './load/command-load.ts'
import { CommandPlace } from './load/command-place.ts'
import { cpuSecondsOf } from './load/measured-pod.ts'
import { putsPerSecond } from './load/put-load.ts'
import { scraped } from './load/scraped.ts'
import { median, table } from './measure.ts'

/** Puts under way at once: one, and as many as make etcd busy. */
const concurrencies = [1, 16, 64, 256]
const agents = 8
/** Of each agent, as many as it is given at once. */
const targets = 32
const clients = agents * targets
const rounds = 3

export interface CommandsBench {
  /** Where to leave a CPU profile of the control plane. @default none is taken */
  readonly profileFolder?: string | undefined
}

/**
 * Commands from end to end beside etcd's own puts, in turn, so that a machine that slows down slows both: how many
 * there can be, what each costs, and how long one takes at half of that.
 */
export async function benchCommands({ profileFolder }: CommandsBench): Promise<void> {
  const place = await CommandPlace.start({ agents, tokens: 100, profileFolder })
  const api = new ApiClient({ address: place.pod.address, tokens: place.tokens })
  const load = new CommandLoad({ api, agentIds: place.agentIds, targets, random: randomOf(1) })
  try {
    const { best } = await measurePuts(place)
    const watching = new AbortController()
    const watched = watchEnds(place, load, watching.signal)
    const figures: Round[] = []
    // A program that has just started is compiled while it runs.
    await load.saturate({ clients, warmUpSeconds: 0, seconds: 10, onEdge: () => Promise.resolve() })
    for (let round = 1; round <= rounds; round += 1) figures.push(await oneRound(place, load, best))
    console.log(
      `\n${table([
        [
          'round',
          'puts/s',
          'commands/s',
          'of puts',
          'CPU ms each: pod',
          'etcd',
          'agents',
          'client',
          'requests each',
          'fsyncs each',
          'fsync',
          'load',
        ],
        ...figures.map((figure, index) => rowOf(index + 1, figure)),
      ])}`,
    )
    const ratio = median(figures.map(({ commands, puts: beside }) => commands / beside))
    console.log(`goal: commands at least 0.30 × puts; measured ${ratio.toFixed(2)} ×`)
    const half = median(figures.map(({ commands }) => commands)) / 2
    const told = await latencyAt(load, half, 'etcd')
    watching.abort()
    await watched
    const events = await api.follow((event, data) => {
      if (event !== 'command') return
      const { commandId, state } = JSON.parse(data) as { commandId: string; state: CommandState }
      if (ends.includes(state)) load.ended(commandId)
    })
    await latencyAt(load, half, 'an event stream')
    events.end()
    console.log(`goal: p99 at most 50 ms; measured ${told}`)
  } finally {
    api.close()
    await place.close()
  }
}

/** How many puts etcd takes, by how many are under way, and with how many at once it takes most. */
async function measurePuts({ store }: CommandPlace): Promise<{ readonly best: number }> {
  const found: { readonly concurrency: number; readonly perSecond: number }[] = []
  for (const concurrency of concurrencies) {
    const perSecond = await putsPerSecond(store, { concurrency, seconds: 2, valueBytes })
    found.push({ concurrency, perSecond })
  }
  console.log(
    table([
      [`puts of ${valueBytes} bytes at once`, 'per second'],
      ...found.map(({ concurrency, perSecond }) => [String(concurrency), perSecond.toFixed(0)]),
    ]),
  )
  const [best] = found.toSorted((a, b) => b.perSecond - a.perSecond)
  return { best: best?.concurrency ?? 1 }
}

interface Round {
  readonly puts: number
  readonly commands: number
  /** Milliseconds of CPU for each command. */
  readonly cpu: Pick<Counters, 'pod' | 'etcd' | 'agents' | 'client'>
  readonly fsyncMs: number
  /** Requests to etcd for each command. */
  readonly requestsEach: number
  readonly fsyncsEach: number
  readonly load: number
}

async function oneRound(place: CommandPlace, load: CommandLoad, concurrency: number): Promise<Round> {
  const edges: Counters[] = []
  const putsBefore = await putsPerSecond(place.store, { concurrency, seconds: 2, valueBytes })
  const commands = await load.saturate({
    clients,
    warmUpSeconds: 3,
    seconds: 8,
    onEdge: async () => void edges.push(await countersOf(place)),
  })
  const putsAfter = await putsPerSecond(place.store, { concurrency, seconds: 2, valueBytes })
  const [before, after] = edges
  if (before === undefined || after === undefined) throw new Error('the counters were not read')
  const done = after.commands - before.commands
  const each = (name: keyof Counters): number => (after[name] - before[name]) / done
  return {
    puts: (putsBefore + putsAfter) / 2,
    commands,
    cpu: {
      pod: 1000 * each('pod'),
      etcd: 1000 * each('etcd'),
      agents: 1000 * each('agents'),
      client: 1000 * each('client'),
    },
    fsyncMs: (1000 * (after.fsyncSeconds - before.fsyncSeconds)) / (after.fsyncs - before.fsyncs),
    requestsEach: each('requests'),
    fsyncsEach: each('fsyncs'),
    load: loadavg()[0] ?? NaN,
  }
}

/** What only grows: seconds of CPU, and what was counted. */
interface Counters {
  readonly commands: number
  readonly pod: number
  readonly etcd: number
  readonly agents: number
  readonly client: number
  readonly requests: number
  readonly fsyncs: number
  readonly fsyncSeconds: number
}

async function countersOf({ pod, etcd, agents: { pid } }: CommandPlace): Promise<Counters> {
  const text = await (await fetch(`${etcd.member.endpoint}/metrics`)).text()
  const { user, system } = process.cpuUsage()
  return {
    commands: await pod.metric('regent_commands_total'),
    pod: pod.cpuSeconds,
    etcd: scraped(text, 'process_cpu_seconds_total'),
    agents: cpuSecondsOf(pid),
    client: (user + system) / 1e6,
    requests: await pod.metric('regent_store_request_duration_seconds_count'),
    fsyncs: scraped(text, 'etcd_disk_wal_fsync_duration_seconds_count'),
    fsyncSeconds: scraped(text, 'etcd_disk_wal_fsync_duration_seconds_sum'),
  }
}

function rowOf(number: number, { puts, commands, cpu, fsyncMs, requestsEach, fsyncsEach, load }: Round): string[] {
  return [
    String(number),
    puts.toFixed(0),
    commands.toFixed(0),
    `${(commands / puts).toFixed(2)} ×`,
    ...[cpu.pod, cpu.etcd, cpu.agents, cpu.client].map((ms) => ms.toFixed(2)),
    requestsEach.toFixed(2),
    fsyncsEach.toFixed(2),
    `${fsyncMs.toFixed(1)} ms`,
    load.toFixed(1),
  ]
}

/** Tells the load of every result as soon as etcd does. */
async function watchEnds({ store }: CommandPlace, load: CommandLoad, signal: AbortSignal): Promise<void> {
  const { revision } = await store.count(prefixes.allDoneCommands)
  for await (const { events } of store.watch(prefixes.allDoneCommands, { after: revision, signal })) {
    for (const event of events) if (event.kind === 'put') load.ended(idOf(event.item.key))
  }
}

const ends: readonly CommandState[] = ['done', 'failed', 'poisoned']

/** How long commands take that come at random times, so many in a second. @returns the 99th percentile, in words */
async function latencyAt(load: CommandLoad, perSecond: number, teller: string): Promise<string> {
  const latencies = await load.arrive({ perSecond, warmUpSeconds: 3, seconds: 20 })
  const [p50 = '', p99 = '', most = ''] = [50, 99, 100].map(
    (percent) => `${percentile(latencies, percent).toFixed(1)} ms`,
  )
  console.log(
    `\n${perSecond.toFixed(0)} commands/s at random times, from when each was due until ${teller} told its end: p50 ${p50}, p99 ${p99}, longest ${most} (${latencies.length} commands, load average ${(loadavg()[0] ?? NaN).toFixed(1)})`,
  )
  return p99
}

/** As large as the record of a command that was delivered. */
const valueBytes = Buffer.byteLength(
  openCommandRecord.serialize({
    agentId: 'agent-0',
    commandId: '0'.repeat(32),
    action: 'nothing',
    target: 'target-0',
    createdAt: new Date(0).toISOString(),
    createdBy: 'token:client 0',
    deadlineAt: new Date(0).toISOString(),
    payloadBytes: 20,
    deliveries: 1,
    state: 'dispatched',
    lastDelivery: {
      connectionId: '00000000-0000-4000-8000-000000000000',
      holder: 'regent-agent-local-0_00000000-0000-4000-8000-000000000000_00000000-0000-4000-8000-000000000000',
      epoch: '1',
      at: new Date(0).toISOString(),
    },
  }),
)
