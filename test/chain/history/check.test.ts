import { describe, expect, test } from '@jest/globals'
import { check } from './check.ts'
import type { ClientEvent, Effect, History, StoreChange } from './history.ts'

// A history in which everything went well over one failover, and what must be found when one thing of it is changed.

const fence = (revision: number, epoch: string, holder: string, connectionId: string, lineage = 'a'): StoreChange => ({
  revision,
  key: 'fences/local',
  value: { schema: 1, lineage, epoch, holder, connectionId, pod: 'p' },
})
const open = (revision: number, id: string, state: string, by?: readonly [string, string], deliveries = 1) => ({
  revision,
  key: `commands/open/local/${id}`,
  value: {
    schema: 1,
    commandId: id,
    target: 't',
    state,
    deliveries: by === undefined ? 0 : deliveries,
    ...(by && { lastDelivery: { connectionId: by[0], epoch: by[1] } }),
  },
})
const done = (
  revision: number,
  id: string,
  by: readonly [string, string],
  state = 'done',
  code?: string,
): StoreChange => ({
  revision,
  key: `commands/done/local/${id}`,
  value: {
    schema: 1,
    commandId: id,
    target: 't',
    state,
    epoch: by[1],
    lastDelivery: { connectionId: by[0], epoch: by[1] },
    ...(code !== undefined && { error: { code, message: '' } }),
  },
})
const payload = (revision: number, id: string, key: string): StoreChange => ({
  revision,
  key: `commands/payload/local/${id}`,
  value: { schema: 1, payload: { key } },
})
const first = ['x', '9'] as const
const second = ['y', '10'] as const

const store: readonly StoreChange[] = [
  fence(1, '9', 'pod-0', 'x'),
  open(2, 'c1', 'queued'),
  open(3, 'c2', 'queued'),
  open(4, 'c1', 'dispatched', first),
  open(5, 'c1', 'received', first),
  done(6, 'c1', first),
  open(7, 'c2', 'dispatched', first),
  fence(8, '10', 'pod-1', 'y'),
  open(9, 'c2', 'dispatched', second, 2),
  done(10, 'c2', second),
]
const effects: readonly Effect[] = [
  { version: 100n, commandId: 'c1', target: 't', epoch: 9n },
  { version: 101n, commandId: 'c2', target: 't', epoch: 10n },
]
const client: readonly ClientEvent[] = [
  { kind: 'asked', key: 'k1' },
  { kind: 'promised', key: 'k1', commandId: 'c1' },
  { kind: 'asked', key: 'k2' },
  { kind: 'promised', key: 'k2', commandId: 'c2' },
]
const good: History = { client, store, effects }

/** The history with the changes of some revisions replaced. */
function at(...changes: readonly StoreChange[]): History {
  const replaced = new Set(changes.map(({ revision }) => revision))
  return { ...good, store: [...store.filter(({ revision }) => !replaced.has(revision)), ...changes] }
}

test('a run in which everything went well has no violations, and says what it held', () => {
  expect(check(good)).toEqual({
    violations: [],
    counted: { promised: 2, refused: 0, done: 2, poisoned: 0, failed: 0, effects: 2, leaderships: 2, redelivered: 1 },
  })
})

test('a connection that moves and speaks on in the same leadership is none', () => {
  expect(
    check(at(fence(8, '9', 'pod-0', 'y'), open(9, 'c2', 'dispatched', ['y', '9']), done(10, 'c2', ['y', '9']))),
  ).toMatchObject({ violations: [] })
})

test('a leader that tells over its next connection what it was given over the one before does well', () => {
  const moved = at(fence(8, '9', 'pod-0', 'y'), done(9, 'c2', first), open(10, 'c3', 'queued'))
  expect(check({ ...moved, effects: effects.map((effect) => ({ ...effect, epoch: 9n })) }).violations).toEqual([
    { invariant: 'twice', what: '2 were asked for, and 3 stored' },
    { invariant: 'lost', what: 'c3 is still queued at the end' },
  ])
})

test('whoever gives a command up speaks for no connection, and may change nothing else of it', () => {
  const givenUp = (state: string, by: readonly [string, string], deliveries: number): StoreChange => {
    const change = open(9, 'c2', state, by, deliveries)
    return { ...change, value: { ...change.value, cancelRequestedBy: 'somebody' } }
  }
  // Once the next leader speaks, who gave it to the former one does no more.
  const before = store.filter(({ revision }) => revision < 9)
  const of = (change: StoreChange) => check({ ...good, store: [...before, change] }).violations
  const atTheEnd = { invariant: 'lost', what: 'c2 is still dispatched at the end' }
  expect(of(givenUp('dispatched', first, 1)).filter(({ invariant }) => invariant === 'delivery')).toEqual([])
  expect(of(givenUp('dispatched', first, 2)).map(({ invariant }) => invariant)).toContain('delivery')
  expect(of(givenUp('received', first, 1)).map(({ invariant }) => invariant)).toContain('delivery')
  expect(of(givenUp('dispatched', first, 1))).toContainEqual(atTheEnd)
})

describe('it finds', () => {
  test.each<[string, History, string, RegExp]>([
    ['an epoch that goes back', at(fence(8, '8', 'pod-1', 'y')), 'fence', /went back/],
    [
      'epochs that are compared as texts',
      at(fence(1, '9', 'pod-0', 'x'), fence(8, '10', 'pod-1', 'y'), fence(11, '9', 'pod-0', 'x')),
      'fence',
      /went back/,
    ],
    ['two holders of one epoch', at(fence(8, '9', 'pod-1', 'y')), 'fence', /two holders/],
    ['another lineage', at(fence(8, '10', 'pod-1', 'y', 'b')), 'fence', /another lineage/],
    [
      'a delivery by a former leader',
      at(open(9, 'c2', 'dispatched', first)),
      'delivery',
      /connection x of epoch 9, while connection y/,
    ],
    ['a result of a former leader', at(done(10, 'c2', first)), 'result', /told by epoch 9, while epoch 10 speaks/],
    [
      'a result that another epoch told',
      at({ ...done(10, 'c2', second), value: { ...(done(10, 'c2', second).value as object), epoch: '9' } }),
      'result',
      /told by epoch 9/,
    ],
    [
      "a delivery in nobody's name",
      at({ ...open(9, 'c2', 'queued'), value: { ...open(9, 'c2', 'queued').value, state: 'received', deliveries: 2 } }),
      'delivery',
      /nobody's name/,
    ],
    ['a command that ended and went on', at(open(11, 'c1', 'queued')), 'state', /opened again/],
    ['a command that ended twice', at(done(11, 'c1', second)), 'twice', /ended twice/],
    ['a fourth delivery', at(open(9, 'c2', 'dispatched', second, 4)), 'state', /then 4/],
    ['an end out of nothing', at(done(11, 'c9', second)), 'state', /without ever having been stored/],
    [
      'a promise that was not stored',
      { ...good, client: [...client, { kind: 'promised', key: 'k3', commandId: 'c3' }] },
      'lost',
      /c3 was promised/,
    ],
    ['a command that is still open', { ...good, store: store.slice(0, -1) }, 'lost', /c2 is still dispatched/],
    [
      'one request that made two commands',
      { ...good, client: [...client, { kind: 'promised', key: 'k1', commandId: 'c2' }] },
      'twice',
      /asked for once/,
    ],
    [
      'more commands than were asked for',
      { ...good, client: client.slice(0, 2) },
      'twice',
      /1 were asked for, and 2 stored/,
    ],
    [
      'a command that was refused, and stored all the same',
      {
        ...at(open(2, 'c1', 'queued'), payload(2, 'c1', 'k1'), payload(3, 'c2', 'k2'), payload(11, 'c3', 'k3')),
        client: [...client, { kind: 'asked', key: 'k3' }, { kind: 'refused', key: 'k3' }],
      },
      'refused',
      /c3 was stored, although k3 was refused/,
    ],
    [
      'a command that is done without effect',
      { ...good, effects: effects.slice(0, 1) },
      'lost',
      /c2 is done without effect/,
    ],
    [
      'a command that took effect twice',
      { ...good, effects: [...effects, { version: 102n, commandId: 'c2', target: 't', epoch: 10n }] },
      'twice',
      /took effect twice/,
    ],
    [
      'an effect of the past',
      { ...good, effects: [{ version: 102n, commandId: 'c1', target: 'u', epoch: 9n }, ...effects.slice(1)] },
      'stale',
      /epoch 9 after one of 10/,
    ],
    [
      'effects out of order',
      { ...good, effects: [{ version: 102n, commandId: 'c1', target: 't', epoch: 10n }, ...effects.slice(1)] },
      'order',
      /after c2/,
    ],
    [
      'an effect that nobody asked for',
      { ...good, effects: [...effects, { version: 102n, commandId: 'c9', target: 't', epoch: 10n }] },
      'unknown',
      /nobody asked/,
    ],
  ])('%s', (_, history, invariant, what) => {
    const { violations } = check(history)
    expect(violations).toContainEqual({ invariant, what: expect.stringMatching(what) as unknown })
  })

  test.each([
    ['cancelled', []],
    ['failed', [{ invariant: 'order', what: expect.stringMatching(/after c2/) }]],
  ] as const)('judges the late effect of a command that ended as %s', (code, violations) => {
    const late = [{ version: 102n, commandId: 'c1', target: 't', epoch: 10n }, ...effects.slice(1)]
    const ended = store.map((change) => (change === store[5] ? done(6, 'c1', first, 'failed', code) : change))
    expect(check({ client, store: ended, effects: late }).violations).toEqual(violations)
  })
})
