import { once } from 'node:events'
import { connect } from 'node:net'
import { describe, expect, test } from '@jest/globals'
import { waitFor } from '../../../test/cluster/wait-for.ts'
import { Ledger, Witness } from './witness.ts'

const ledgerOf = (...effects: readonly (readonly [epoch: bigint, holder: string, atMs: number])[]): Ledger => {
  const ledger = new Ledger()
  for (const [epoch, holder, atMs] of effects) ledger.report({ epoch, holder, atMs })
  return ledger
}

describe('the ledger', () => {
  test('accepts what never goes back', () => {
    const ledger = ledgerOf([5n, 'a', 1], [5n, 'a', 2], [9n, 'b', 3])
    expect(ledger.refused).toEqual([])
    expect(ledger.accepted).toHaveLength(3)
    expect(ledger.overlapMs).toBe(0)
  })

  test('refuses an effect of an older epoch, and counts for how long two acted', () => {
    const ledger = ledgerOf([5n, 'a', 1], [9n, 'b', 3], [5n, 'a', 10], [9n, 'b', 12])
    expect(ledger.refused).toEqual([{ epoch: 5n, holder: 'a', atMs: 10 }])
    expect(ledger.overlapMs).toBe(7)
  })

  test('finds an overlap with an epoch long ago', () => {
    expect(ledgerOf([1n, 'a', 0], [2n, 'b', 10], [3n, 'c', 20], [1n, 'a', 25], [3n, 'c', 30]).overlapMs).toBe(15)
  })

  test('finds an epoch that two holders claim', () => {
    expect(ledgerOf([5n, 'a', 1], [5n, 'b', 2]).sharedEpochs).toEqual([5n])
    expect(ledgerOf([5n, 'a', 1], [6n, 'b', 2]).sharedEpochs).toEqual([])
  })

  test('compares epochs as numbers', () => {
    expect(ledgerOf([9n, 'a', 1], [10n, 'b', 2]).refused).toEqual([])
  })
})

test('the witness takes a line per effect', async () => {
  const witness = await Witness.listen()
  try {
    const socket = connect(witness.port, '127.0.0.1')
    await once(socket, 'connect')
    socket.end('{"epoch":"12","holder":"a"}\n{"epoch":"13","holder":"b"}\n')
    await waitFor('both effects', () => witness.accepted.length === 2, { seconds: 5, everyMilliseconds: 5 })
    expect(witness.highest).toBe(13n)
  } finally {
    await witness.close()
  }
})
