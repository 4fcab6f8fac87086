import { describe, expect, test } from '@jest/globals'
import type { History } from '../chain/history/history.ts'
import { judge, type Seen } from './judge.ts'

// A run in which one leader ran one command, and what must be found when one thing of it is changed.

const holder = 'agent-0_uid_boot'
const by = { connectionId: 'c', epoch: '7' }
const command = { commandId: 'x', target: 't', createdAt: 'a' }
const history: History = {
  client: [
    { kind: 'asked', key: 'k' },
    { kind: 'promised', key: 'k', commandId: 'x' },
  ],
  store: [
    { revision: 1, key: 'fences/local', value: { lineage: 'a', epoch: '7', holder, connectionId: 'c' } },
    { revision: 2, key: 'commands/open/local/x', value: { ...command, state: 'queued', deliveries: 0 } },
    {
      revision: 3,
      key: 'commands/open/local/x',
      value: { ...command, state: 'dispatched', deliveries: 1, lastDelivery: by },
    },
  ],
  effects: [],
}
const seen: Seen = {
  begun: [{ commandId: 'x', epoch: 7n, revision: 3 }],
  acquisitions: [{ holder, version: 7 }],
}
/** What is found of that which only a simulation sees. */
const found = (changed: Partial<Seen>): readonly string[] =>
  judge(history, { ...seen, ...changed })
    .violations.map(({ invariant }) => invariant)
    .filter((invariant) => ['epoch', 'unstored'].includes(invariant))

describe('a run', () => {
  test('in which everything is as it must be has no violation of that', () => {
    expect(found({})).toEqual([])
  })

  test('fails if a command ran before it was stored that it is given', () => {
    expect(found({ begun: [{ commandId: 'x', epoch: 7n, revision: 2 }] })).toEqual(['unstored'])
  })

  test('fails if somebody registered in an epoch that another one acquired', () => {
    expect(found({ acquisitions: [{ holder: 'agent-1_uid_boot', version: 7 }] })).toEqual(['epoch'])
  })

  test('fails if somebody registered and ran a command in an epoch that nobody acquired', () => {
    expect(found({ acquisitions: [{ holder, version: 6 }] })).toEqual(['epoch', 'epoch'])
  })
})
