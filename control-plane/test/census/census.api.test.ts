import { randomUUID } from 'node:crypto'
import { setTimeout as pause } from 'node:timers/promises'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals'
import { controlPlane } from '@regent/contract/control-plane.ts'
import { recordedLog } from '@regent/runtime/test/support/recorded-log.ts'
import { waitFor } from '../../../test/cluster/wait-for.ts'
import { agentRecord, connectionRecord, statusRecord } from '../../src/agents/agent-records.ts'
import { AgentRegistry } from '../../src/agents/agent-registry.ts'
import { type Census, censusRecord } from '../../src/census/census-record.ts'
import { NewestCensus } from '../../src/census/newest-census.ts'
import { takeCensus } from '../../src/census/take-census.ts'
import { openCommandRecord } from '../../src/commands/command-records.ts'
import { HourlyLease } from '../../src/commands/hourly-lease.ts'
import type { LeftOpen } from '../../src/commands/left-open.ts'
import { Sweep } from '../../src/commands/sweep.ts'
import { sweepOffline } from '../../src/hub/offline-sweep.ts'
import { AgentKeys } from '../../src/identity/agent-keys.ts'
import type { Transaction } from '../../src/store/key-value.ts'
import { keys, prefixes } from '../../src/store/keys.ts'
import { type ListOptions, Store } from '../../src/store/store.ts'
import { Etcd } from '../support/etcd.ts'
import { type PodEnvironment, podEnvironment } from '../support/pod-environment.ts'
import { type Program, startProgram } from '../support/program.ts'
import { RecordedAgent, registration } from '../support/recorded-agent.ts'
import { openStore } from '../support/store.ts'

let etcd: Etcd
let store: Store
beforeAll(async () => {
  etcd = await Etcd.start()
  store = openStore(etcd)
})
afterAll(async () => {
  store.close()
  await etcd.close()
})

const never = new AbortController().signal
const nothingOpen: LeftOpen = { count: 0, unreadable: 0 }
let ends: (() => Promise<unknown>)[]
beforeEach(async () => {
  ends = []
  await store.transact({ when: [], then: [{ delete: prefixes.everything, prefix: true }] })
})
afterEach(async () => {
  for (const end of ends.reverse()) await end()
})

/** The census that is stored. */
async function stored(): Promise<Census | undefined> {
  const { found } = await store.get(keys.census)
  return found && censusRecord.parse(found)
}

async function put(...puts: readonly (readonly [key: string, value: string])[]): Promise<void> {
  for (let from = 0; from < puts.length; from += 120) {
    const then = puts.slice(from, from + 120).map(([key, value]) => ({ put: key, value }))
    await store.transact({ when: [], then })
  }
}

const at = '2026-03-01T08:00:00.000Z'
const approved = (agentId: string) =>
  [keys.agent(agentId), agentRecord.serialize({ approval: 'approved', decidedAt: at, registeredAt: at })] as const
const online = (agentId: string) =>
  [keys.status(agentId), statusRecord.serialize({ health: 'online', since: at, lastSeenAt: at })] as const
const connected = (agentId: string) =>
  [
    keys.connection(agentId),
    connectionRecord.serialize({ connectionId: 'c', pod: 'p', podUid: 'u', holder: 'h', epoch: '1', since: at }),
  ] as const

describe('a census', () => {
  const log = recordedLog()
  const take = async (using: Pick<Store, 'list' | 'transact'> = store, left = nothingOpen): Promise<void> =>
    takeCensus({ store: using, pod: 'pod-0', log: log.log }, left, never)

  test('counts thousands of agents in pages, with one request to etcd for about 30 of them', async () => {
    const ids = Array.from({ length: 3000 }, (_, index) => `agent-${index}`)
    // One of a hundred is left by its pod, and of every other of these it was said.
    const lost = ids.filter((_, index) => index % 100 === 0)
    const said = lost.filter((_, index) => index % 2 === 0)
    await put(...ids.flatMap((id) => [approved(id), online(id), ...(lost.includes(id) ? [] : [connected(id)])]))
    await put(
      ...said.map(
        (id) =>
          [keys.status(id), statusRecord.serialize({ health: 'offline', since: '2026-03-01T09:00:00Z' })] as const,
      ),
    )
    let requests = 0
    const observed = new Store({ endpoints: etcd.endpoints, log: log.log, observe: () => void (requests += 1) })
    ends.push(() => {
      observed.close()
      return Promise.resolve()
    })
    await take(observed)
    expect(await stored()).toMatchObject({
      agents: { pending: 0, approved: 3000, rejected: 0 },
      leaderless: { count: 30, since: '2026-03-01T09:00:00.000Z' },
      unreadable: 0,
    })
    expect(requests).toBeLessThan(3000 / 29)
  })

  test('is of one moment: who registers meanwhile is counted whole or not at all', async () => {
    await put(approved('a'), online('a'), connected('a'))
    const list = async (prefix: string, options?: ListOptions) => {
      const page = await store.list(prefix, options)
      // Right after the agents were read, this one and its connection go.
      if (prefix === prefixes.agents) await store.transact({ when: [], then: [{ delete: keys.connection('a') }] })
      return page
    }
    await take({ list, transact: (...all) => store.transact(...all) })
    expect(await stored()).toMatchObject({ agents: { approved: 1 }, leaderless: { count: 0 } })
    await take()
    expect(await stored()).toMatchObject({ leaderless: { count: 1 } })
  })

  test('leaves out what it cannot read, counts that, and names it', async () => {
    await put(approved('a'), [keys.agent('b'), '{"schema":2}'], approved('c'), [keys.status('c'), 'no JSON'])
    await take(store, { count: 4, oldestCreatedAt: at, unreadable: 5 })
    expect(await stored()).toMatchObject({
      agents: { approved: 1 },
      leaderless: { count: 1, since: at },
      openCommands: { count: 4, oldestCreatedAt: at },
      unreadable: 7,
    })
    const named = log.lines().filter(({ event }) => event === 'census-leaves-out')
    expect(named.map(({ key }) => key)).toEqual([keys.agent('b'), keys.status('c')])
  })

  test('that was overtaken by a newer one is not written over it', async () => {
    await put(approved('a'))
    const transact = async (transaction: Transaction) => {
      const writes = transaction.then.some((step) => 'put' in step)
      if (writes) {
        await put(approved('b'))
        await take()
      }
      return await store.transact(transaction)
    }
    await takeCensus(
      { store: { list: (...all) => store.list(...all), transact }, pod: 'slow', log: log.log },
      nothingOpen,
      never,
    )
    expect(await stored()).toMatchObject({ pod: 'pod-0', agents: { approved: 2 } })
  })
})

describe('agents and commands of any pod', () => {
  /** A pod as far as it sweeps and tells of all agents, with turns of two seconds. */
  function pod(name: string): { readonly census: () => Census | undefined } {
    const own = openStore(etcd)
    const { log } = recordedLog()
    const ended = new AbortController()
    const newest = new NewestCensus(own, log)
    const sweep = new Sweep({
      ...{ store: own, lease: new HourlyLease(own), log, everySeconds: 2 },
      afterwards: (left, signal) => takeCensus({ store: own, pod: name, log }, left, signal),
    })
    const running = [newest.run(ended.signal), sweep.run(ended.signal)]
    ends.push(async () => {
      ended.abort()
      await Promise.all(running)
      own.close()
    })
    return { census: () => newest.census }
  }

  test('an old command that is open is told with its time by every pod, until it has ended', async () => {
    const command = {
      ...{ agentId: 'a', action: 'describe', target: 'agent', createdBy: 'somebody' },
      ...{ deadlineAt: '2999-01-01T00:00:00.000Z', payloadBytes: 2, deliveries: 0, state: 'queued' as const },
    }
    // By id it is the second, by its place in etcd the last.
    const times = { c1: '2026-03-01T11:00:00.000Z', c3: '2026-03-01T11:30:00.000Z', c2: '2026-03-01T10:00:00.000Z' }
    for (const [commandId, createdAt] of Object.entries(times)) {
      await put([keys.openCommand('a', commandId), openCommandRecord.serialize({ ...command, commandId, createdAt })])
    }
    const pods = [pod('pod-0'), pod('pod-1')]
    const all = async (fits: (census: Census) => boolean): Promise<readonly (Census | undefined)[]> => {
      const censuses = (): readonly (Census | undefined)[] => pods.map(({ census }) => census())
      await waitFor('the census', () => censuses().every((census) => census !== undefined && fits(census)), {
        seconds: 30,
        everyMilliseconds: 20,
      })
      return censuses()
    }
    for (const census of await all(() => true)) {
      expect(census?.openCommands).toEqual({ count: 3, oldestCreatedAt: times.c2 })
    }
    await store.transact({ when: [], then: [{ delete: keys.openCommand('a', 'c2') }] })
    for (const census of await all(({ openCommands }) => openCommands.count < 3)) {
      expect(census?.openCommands).toEqual({ count: 2, oldestCreatedAt: times.c1 })
    }
  })

  test('an agent that its pod left without a word has no leader, from when that was said on', async () => {
    await put(approved('a'), online('a'), approved('b'), online('b'), connected('b'))
    const taken = Date.now()
    const take = () => takeCensus({ store, pod: 'pod-0', log: recordedLog().log }, nothingOpen, never)
    await take()
    const unsaid = (await stored())?.leaderless
    expect(unsaid?.count).toBe(1)
    expect(Date.parse(unsaid?.since ?? '')).toBeGreaterThanOrEqual(taken)
    const saidAt = '2026-03-02T08:00:00.000Z'
    const swept = { store, podUid: 'pod-0-uid', isOpen: () => false, signal: never, now: () => new Date(saidAt) }
    expect(await sweepOffline(swept)).toBe(1)
    await take()
    expect((await stored())?.leaderless).toEqual({ count: 1, since: saidAt })
  })
})

describe('two pods as processes', () => {
  let environment: PodEnvironment
  const programs: Program[] = []
  beforeEach(() => {
    environment = podEnvironment({ ETCD_ENDPOINTS: etcd.endpoints.join(',') })
    ends.push(async () => {
      for (const { child, ended } of programs.splice(0)) {
        child.kill('SIGKILL')
        await ended
      }
      environment.remove()
    })
  })

  /** The samples of all agents by their names and labels, and what a pod says of its own. */
  async function samples(program: Program): Promise<Readonly<Record<string, number>>> {
    const lines = (await (await program.health('/metrics')).text()).split('\n')
    const fleet = lines.filter((line) => line.startsWith('regent_fleet_')).map((line) => line.split(' '))
    return Object.fromEntries(fleet.map(([name = '', value]) => [name, Number(value)]))
  }
  const time = 'regent_fleet_census_timestamp_seconds'
  const leaderless = 'regent_fleet_leaderless_agents'

  /** Waits until a pod tells something that fits. */
  const told = (program: Program, what: string, fits: (found: Readonly<Record<string, number>>) => boolean) =>
    waitFor(
      what,
      async () => {
        const found = await samples(program)
        return fits(found) && found
      },
      { seconds: 60, everyMilliseconds: 100 },
    )

  /** The turn that somebody has counted in lasts for another half minute: so long nobody else counts. */
  async function lengthenTurn(): Promise<void> {
    const lease = await store.expiry(30)
    await waitFor(
      'a turn whose census is written',
      async () => {
        const [turn, census] = await Promise.all([store.get(keys.commandSweep), store.get(keys.census)])
        if (turn.found === undefined || (census.found?.modRevision ?? 0n) < turn.found.modRevision) return false
        const { succeeded } = await store.transact({
          when: [{ key: keys.commandSweep, modRevision: turn.found.modRevision }],
          then: [{ put: keys.commandSweep, value: '{}', lease }],
        })
        return succeeded
      },
      { seconds: 20, everyMilliseconds: 20 },
    )
  }

  test('tell the same, and the other one counts when the one that did is killed', async () => {
    const agentIds = ['served-by-0', 'served-by-1']
    const agentKeys = await Promise.all(
      agentIds.map(async (agentId) => {
        await new AgentRegistry(store).create(agentId, { approved: true, by: 'the test' })
        return (await new AgentKeys(store).create(agentId, { by: 'the test' })).key
      }),
    )
    const pods = agentIds.map((_, index) => {
      const program = startProgram(environment, { POD_NAME: `pod-${index}`, POD_UID: randomUUID() })
      programs.push(program)
      return program
    })
    await Promise.all(pods.map((program) => program.said('started')))
    const [counted] = await Promise.all(
      pods.map((program) => told(program, 'agents without a leader', (found) => found[leaderless] === 2)),
    )
    expect(counted?.['regent_fleet_longest_leaderless_seconds']).toBeGreaterThan(0)

    for (const [index, { address }] of pods.entries()) {
      const agent = await new RecordedAgent(controlPlane.ports.agents.number, agentKeys[index], address).open()
      agent.say(registration({ agentId: agentIds[index] ?? '' }))
      await agent.told('registered')
    }
    const [before, same] = await Promise.all(
      pods.map((program) => told(program, 'agents with a leader', (found) => found[leaderless] === 0)),
    )
    expect(before).toEqual(same)
    expect(before).toMatchObject({
      'regent_fleet_agents{approval="approved"}': 2,
      regent_fleet_longest_leaderless_seconds: 0,
      regent_fleet_oldest_open_command_age_seconds: 0,
    })

    await lengthenTurn()
    const { takenAt = '', pod: dead } = (await stored()) ?? {}
    const [counting, left] = dead === 'pod-0' ? pods : pods.toReversed()
    if (counting === undefined || left === undefined) throw new Error('two pods were started')
    counting.child.kill('SIGKILL')
    await counting.ended
    const killedAt = Date.now() / 1000
    const newest = Date.parse(takenAt) / 1000
    await told(left, 'the last census of the pod that was killed', (found) => found[time] === newest)
    await pause(1000)
    // Nobody counts at once: that is seen by the time, which stays.
    expect((await samples(left))[time]).toBe(newest)
    const after = await told(left, 'the census of the other pod', (found) => found[leaderless] === 1)
    expect(after[time]).toBeGreaterThan(killedAt)
    expect((await stored())?.pod).toBe(dead === 'pod-0' ? 'pod-1' : 'pod-0')
    expect(left.lines.filter(({ level }) => level === 'error')).toEqual([])
  }, 120_000)
})
