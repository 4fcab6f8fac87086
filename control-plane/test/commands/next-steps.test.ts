import { describe, expect, test } from '@jest/globals'
import { mostDeliveries, mostUnderWay } from '@regent/contract/messages.ts'
import * as fc from 'fast-check'
import type { OpenCommand } from '../../src/commands/command-records.ts'
import { type Deliverer, isUnderWay, mostUnreceivedBytes, nextSteps } from '../../src/commands/next-steps.ts'
import type { OpenEntry } from '../../src/commands/open-commands.ts'
import { madeAtMs, openEntry } from './open-entry.ts'

const here: Deliverer = { connectionId: 'now', holder: 'pod-a', epoch: '7' }
const at = new Date(madeAtMs).toISOString()
const deliveredBy = (deliverer: Deliverer, deliveries = 1): Partial<OpenCommand> => ({
  state: 'dispatched',
  deliveries,
  lastDelivery: { ...deliverer, at },
})
const reconnected = { ...here, connectionId: 'before' }
const otherLeader = { connectionId: 'before', holder: 'pod-b', epoch: '6' }

/** What is done with which command, shortly. */
function steps(entries: readonly OpenEntry[], nowMs = madeAtMs, accepts = true): readonly string[] {
  return nextSteps(entries, here, { nowMs, accepts }).steps.map((step) =>
    step.kind === 'deliver'
      ? `${step.entry.command.commandId} #${step.deliveries}`
      : `${step.entry.command.commandId} ${step.as}`,
  )
}

describe('what is delivered', () => {
  test('is the first command of each target that has none under way', () => {
    const entries = [
      openEntry(1, { target: 'a', ...deliveredBy(here) }),
      openEntry(2, { target: 'a' }),
      openEntry(3, { target: 'b' }),
      openEntry(4, { target: 'b' }),
      openEntry(5, { target: 'c' }),
    ]
    expect(steps(entries)).toEqual(['c3 #1', 'c5 #1'])
  })

  test('is nothing while the agent accepts nothing', () => {
    expect(steps([openEntry(1)], madeAtMs, false)).toEqual([])
  })

  test(`is at most ${mostUnderWay} at once, in the order of creation`, () => {
    const entries = Array.from({ length: 40 }, (_, index) => openEntry(index + 1, { target: `t${index}` }))
    expect(steps(entries)).toEqual(entries.slice(0, mostUnderWay).map(({ command }) => `${command.commandId} #1`))
    const withOne = [openEntry(0, { target: 'x', ...deliveredBy(here), state: 'received' }), ...entries]
    expect(steps(withOne)).toHaveLength(mostUnderWay - 1)
  })

  test('has not more bytes than the connection takes, and nothing overtakes what waits for room', () => {
    const half = Math.ceil(mostUnreceivedBytes / 2) + 1
    const large = (revision: number, more: Partial<OpenCommand> = {}): OpenEntry =>
      openEntry(revision, { target: `t${revision}`, payloadBytes: half, ...more })
    expect(steps([large(1), large(2), openEntry(3, { target: 'small' })])).toEqual(['c1 #1'])
    expect(steps([large(1, deliveredBy(here)), large(2)])).toEqual([])
    expect(steps([large(1, { ...deliveredBy(here), state: 'received' }), large(2)])).toEqual(['c2 #1'])
    expect(steps([large(1, { payloadBytes: 2 * mostUnreceivedBytes })])).toEqual(['c1 #1'])
  })

  test('is not tried again before its time, and holds up its target', () => {
    const notBefore = new Date(madeAtMs + 1000).toISOString()
    const entries = [openEntry(1, { deliveries: 1, notBefore }), openEntry(2)]
    expect(steps(entries, madeAtMs + 999)).toEqual([])
    expect(nextSteps(entries, here, { nowMs: madeAtMs + 999, accepts: true }).wakeAtMs).toBe(madeAtMs + 1000)
    expect(steps(entries, madeAtMs + 1000)).toEqual(['c1 #2'])
  })
})

describe('what an earlier connection delivered', () => {
  test('is delivered again, before what came after it', () => {
    expect(steps([openEntry(1, deliveredBy(otherLeader)), openEntry(2)])).toEqual(['c1 #2'])
    expect(steps([openEntry(1, { ...deliveredBy(otherLeader), state: 'received' })])).toEqual(['c1 #2'])
  })

  test('counts no further delivery for the same leader, however often it connects', () => {
    expect(steps([openEntry(1, deliveredBy(reconnected, mostDeliveries))])).toEqual([`c1 #${mostDeliveries}`])
  })

  test('counts for another process of the same pod, and for the same one in another reign', () => {
    expect(steps([openEntry(1, deliveredBy({ ...reconnected, holder: 'pod-a-again' }))])).toEqual(['c1 #2'])
    expect(steps([openEntry(1, deliveredBy({ ...reconnected, epoch: '6' }))])).toEqual(['c1 #2'])
  })

  test('is poisoned after three leaders', () => {
    expect(steps([openEntry(1, deliveredBy(otherLeader, 2))])).toEqual(['c1 #3'])
    expect(steps([openEntry(1, deliveredBy(otherLeader, 3)), openEntry(2)])).toEqual(['c1 poisoned'])
  })

  test('is alone with nothing else on its last delivery: who ends its executor takes nobody along that far', () => {
    const other = (revision: number, deliveries: number, by = otherLeader): OpenEntry =>
      openEntry(revision, { target: `t${revision}`, ...deliveredBy(by, deliveries) })
    const last = mostDeliveries - 1
    expect(steps([other(1, last), other(2, last), other(3, 1), other(4, last)])).toEqual(['c1 #3', 'c3 #2'])
    expect(steps([other(1, last), other(2, mostDeliveries, here)])).toEqual([])
    // What the same leader has runs on, and is asked for.
    expect(steps([other(1, last), other(2, mostDeliveries, reconnected)])).toEqual(['c2 #3'])
    expect(steps([other(1, mostDeliveries), other(2, last)])).toEqual(['c1 poisoned', 'c2 #3'])
    // A try that failed runs nowhere.
    const queued = openEntry(1, { ...deliveredBy(here, mostDeliveries - 1), state: 'queued' })
    expect(steps([queued, other(2, 1)])).toEqual(['c1 #3', 'c2 #2'])
  })

  test('is not started by another leader once it is given up or too late, but the same one is asked for it', () => {
    const late = madeAtMs + 60_000
    const given = { cancelRequestedBy: 'somebody' }
    expect(steps([openEntry(1, { ...deliveredBy(otherLeader), ...given })])).toEqual(['c1 cancelled'])
    expect(steps([openEntry(1, deliveredBy(otherLeader))], late)).toEqual(['c1 expired'])
    expect(steps([openEntry(1, { ...deliveredBy(reconnected), ...given })])).toEqual(['c1 #1'])
    expect(steps([openEntry(1, deliveredBy(reconnected))], late)).toEqual(['c1 #1'])
  })
})

describe('what is past its deadline', () => {
  test('ends, also behind others of its target and while nothing is accepted, and never while it is under way', () => {
    const entries = [
      openEntry(1, deliveredBy(here)),
      openEntry(2),
      openEntry(3, { deadlineAt: new Date(madeAtMs + 90_000).toISOString() }),
    ]
    expect(steps(entries, madeAtMs + 59_999)).toEqual([])
    expect(nextSteps(entries, here, { nowMs: madeAtMs, accepts: true }).wakeAtMs).toBe(madeAtMs + 60_000)
    expect(steps(entries, madeAtMs + 60_000)).toEqual(['c2 expired'])
    expect(steps(entries, madeAtMs + 60_000, false)).toEqual(['c2 expired'])
  })
})

test('whatever agents, leaders and people do, order and limits hold, and every command ends or waits for something', () => {
  const event = fc.oneof(
    {
      weight: 4,
      arbitrary: fc.record({ kind: fc.constant('create' as const), target: fc.integer({ min: 0, max: 4 }) }),
    },
    { weight: 4, arbitrary: fc.record({ kind: fc.constant('finish' as const), which: fc.nat(1000) }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant('reconnect' as const), newLeader: fc.boolean() }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant('cancel' as const), which: fc.nat(1000) }) },
    {
      weight: 1,
      arbitrary: fc.record({ kind: fc.constant('time' as const), seconds: fc.integer({ min: 0, max: 40 }) }),
    },
  )
  fc.assert(
    fc.property(fc.array(event, { maxLength: 80 }), (events) => {
      let entries: OpenEntry[] = []
      let deliverer: Deliverer = { connectionId: 'n0', holder: 'p0', epoch: '1' }
      let nowMs = madeAtMs
      let revision = 0
      /** Per command: the leaders that were given it. */
      const leaders = new Map<string, Set<string>>()
      /** Per target: the last command that was started for the first time. */
      const started = new Map<string, bigint>()
      const settle = (): void => {
        for (let rounds = 0; ; rounds++) {
          expect(rounds).toBeLessThan(10)
          const { steps: next } = nextSteps(entries, deliverer, { nowMs, accepts: true })
          if (next.length === 0) break
          for (const step of next) {
            const { command, createRevision } = step.entry
            if (step.kind === 'end') {
              entries = entries.filter((entry) => entry !== step.entry)
              continue
            }
            const isStart = !leaders.has(command.commandId)
            const given = leaders.get(command.commandId) ?? new Set()
            leaders.set(command.commandId, given.add(`${deliverer.holder} ${deliverer.epoch}`))
            expect(step.deliveries).toBe(given.size)
            expect(step.deliveries).toBeLessThanOrEqual(mostDeliveries)
            if (isStart) {
              expect(createRevision).toBeGreaterThan(started.get(command.target) ?? 0n)
              expect(Date.parse(command.deadlineAt)).toBeGreaterThan(nowMs)
              started.set(command.target, createRevision)
            }
            const changed = { ...command, ...deliveredBy(deliverer, step.deliveries) }
            entries = entries.map((entry) => (entry === step.entry ? { ...entry, command: changed } : entry))
          }
        }
        const underWay = entries.filter(({ command }) => isUnderWay(command, deliverer))
        expect(underWay.length).toBeLessThanOrEqual(mostUnderWay)
        const targets = underWay.map(({ command }) => command.target)
        expect(new Set(targets).size).toBe(targets.length)
        const onLast = underWay.filter(({ command }) => command.deliveries === mostDeliveries).length
        expect(onLast).toBeLessThanOrEqual(1)
        const idle = entries.filter(({ command }) => !targets.includes(command.target))
        for (const { target } of idle.map(({ command }) => command)) {
          // Its first waits until nothing else is on its last delivery.
          const first = idle.find(({ command }) => command.target === target)
          expect({ onLast, deliveries: first?.command.deliveries }).toEqual({
            onLast: 1,
            deliveries: mostDeliveries - 1,
          })
        }
      }
      for (const one of events) {
        if (one.kind === 'create') {
          revision += 1
          const deadlineAt = new Date(nowMs + 30_000).toISOString()
          entries.push(openEntry(revision, { target: `t${one.target}`, deadlineAt }))
        } else if (one.kind === 'finish') {
          const underWay = entries.filter(({ command }) => isUnderWay(command, deliverer))
          const ended = underWay[one.which % Math.max(1, underWay.length)]
          entries = entries.filter((entry) => entry !== ended)
        } else if (one.kind === 'reconnect') {
          const epoch = one.newLeader ? String(Number(deliverer.epoch) + 1) : deliverer.epoch
          // The second reign is of the first process.
          const holder = Number(epoch) <= 2 ? 'p0' : `p${epoch}`
          deliverer = { connectionId: `${deliverer.connectionId}'`, holder, epoch }
        } else if (one.kind === 'cancel') {
          entries = entries.map((entry, index) =>
            index === one.which % entries.length
              ? { ...entry, command: { ...entry.command, cancelRequestedBy: 'somebody' } }
              : entry,
          )
        } else {
          nowMs += one.seconds * 1000
        }
        settle()
      }
    }),
    { numRuns: 300 },
  )
})
