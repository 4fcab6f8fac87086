import { expect, test } from '@jest/globals'
import fc from 'fast-check'
import { recordedLog } from '@regent/runtime/test/support/recorded-log.ts'
import * as z from 'zod/mini'
import { action, type Json } from '../../src/control-link/action.ts'
import { type Command, Executor } from '../../src/control-link/executor.ts'
import type { Result } from '../../src/control-link/outcome.ts'
import { ScriptedLeadership } from '../support/scripted-election.ts'
import { command } from './command.ts'
import { turn } from './linked.ts'

/** What may happen to an executor, in any order. */
type Step =
  | { readonly do: 'accept'; readonly id: number; readonly target: number }
  | { readonly do: 'cancel'; readonly id: number }
  /** One of the commands that run ends, by its place among them. */
  | { readonly do: 'end'; readonly index: number; readonly fails: boolean }

const ids = fc.nat({ max: 12 })
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ do: fc.constant('accept' as const), id: ids, target: fc.nat({ max: 3 }) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('cancel' as const), id: ids }) },
  {
    weight: 4,
    arbitrary: fc.record({ do: fc.constant('end' as const), index: fc.nat({ max: 3 }), fails: fc.boolean() }),
  },
)

interface Running {
  readonly id: string
  readonly target: string
  readonly end: (fails: boolean) => void
}

/** An executor with what happened in it, as it can be seen from outside. */
function watched() {
  const begun: { readonly id: string; readonly target: string }[] = []
  const running: Running[] = []
  const results: Result[] = []
  const overlaps: string[] = []
  let changes = 0
  const work = action({
    action: 'hold',
    payload: z.object({ target: z.string() }),
    run: ({ target }, { commandId, signal }) => {
      if (running.some((other) => other.target === target)) overlaps.push(commandId)
      const { promise, resolve, reject } = Promise.withResolvers<Json>()
      const mine: Running = {
        id: commandId,
        target,
        end: (fails) => {
          running.splice(running.indexOf(mine), 1)
          if (fails) reject(new Error('failed'))
          else resolve(commandId)
        },
      }
      signal.addEventListener('abort', () => running.includes(mine) && mine.end(true), { once: true })
      begun.push({ id: commandId, target })
      running.push(mine)
      return promise
    },
  })
  const executor = new Executor({
    actions: [work],
    log: recordedLog().log,
    onResult: (result) => results.push(result),
    onChange: () => (changes += 1),
  })
  const leadership = new ScriptedLeadership()
  executor.lead(leadership)
  return { executor, leadership, begun, running, results, overlaps, changes: () => changes }
}

const of = (id: number, target: number): Command =>
  command(`c-${id}`, { target: `t-${target}`, payload: { target: `t-${target}` } })

test('whatever comes in whatever order, each target is served in order, one at a time, and each command once', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 60 }), async (steps) => {
      const { executor, begun, running, results, overlaps } = watched()
      /** What is to begin in each target, in this order, unless it is cancelled before. */
      const due = new Map<string, string[]>()
      const accepted: string[] = []
      for (const next of steps) {
        if (next.do === 'accept') {
          const wanted = of(next.id, next.target)
          if (!executor.has(wanted.commandId)) {
            accepted.push(wanted.commandId)
            due.set(wanted.target, [...(due.get(wanted.target) ?? []), wanted.commandId])
          }
          executor.accept(wanted)
        } else if (next.do === 'cancel') {
          const id = `c-${next.id}`
          const isRunning = running.some((other) => other.id === id)
          executor.cancel(id)
          if (!isRunning) {
            for (const [target, waiting] of due) {
              const begunHere = begun.filter((one) => one.target === target).length
              due.set(target, [...waiting.slice(0, begunHere), ...waiting.slice(begunHere).filter((one) => one !== id)])
            }
          }
        } else running[next.index % Math.max(1, running.length)]?.end(next.fails)
        await turn()
        expect(executor.waiting).toBe(executor.size - running.length)
        for (const [target, expected] of due) {
          const seen = begun.filter((one) => one.target === target).map(({ id }) => id)
          expect(seen).toEqual(expected.slice(0, seen.length))
        }
      }
      while (running.length > 0) {
        running[0]?.end(false)
        await turn()
      }
      await executor.idle()
      expect(overlaps).toEqual([])
      expect(executor.size).toBe(0)
      // Nothing is begun twice, nothing waits for ever, and each ends in one result.
      expect([...begun.map(({ id }) => id)].sort()).toEqual([...due.values()].flat().sort())
      expect(results.map(({ commandId }) => commandId).sort()).toEqual([...accepted].sort())
    }),
    { numRuns: 300 },
  )
})

test('targets do not wait for each other', async () => {
  const { executor, begun } = watched()
  for (let target = 0; target < 10; target += 1) executor.accept(of(target, target))
  await turn()
  expect(begun).toHaveLength(10)
})

test('when leading ends, everything ends, what waited has not begun, and both can be tried again', async () => {
  const { executor, leadership, begun, results } = watched()
  for (const id of [1, 2, 3]) executor.accept(of(id, 0))
  await turn()
  leadership.end('suspended')
  executor.giveBack('the agent stopped leading before the command began')
  await executor.idle()
  expect(begun.map(({ id }) => id)).toEqual(['c-1'])
  expect(results.map(({ outcome }) => outcome)).toEqual(['aborted', 'aborted', 'aborted'])
  for (const { text } of results) expect(JSON.parse(text)).toMatchObject({ type: 'failed', retryable: true })
})

test('what comes while it does not lead is given back at once', async () => {
  const { executor, leadership, begun, results } = watched()
  leadership.end('suspended')
  executor.accept(of(1, 0))
  await executor.idle()
  await turn()
  expect(begun).toEqual([])
  expect(results).toEqual([expect.objectContaining({ commandId: 'c-1', outcome: 'aborted' })])
})

test('an action that throws at once is a failure like any other', async () => {
  const results: Result[] = []
  const broken = action({
    action: 'hold',
    payload: z.unknown(),
    run: () => {
      throw new TypeError('not a function')
    },
  })
  const executor = new Executor({
    actions: [broken],
    log: recordedLog().log,
    onResult: (result) => results.push(result),
    onChange: () => undefined,
  })
  executor.lead(new ScriptedLeadership())
  executor.accept(of(1, 0))
  await executor.idle()
  await turn()
  expect(results).toEqual([expect.objectContaining({ outcome: 'failed' })])
})
