import { expect, test } from '@jest/globals'
import { type LeftOpen, withOpen } from '../../src/commands/left-open.ts'

test('the oldest command counts, in whatever order they come and however its time is written', () => {
  const none: LeftOpen = { count: 0, unreadable: 2 }
  const times = ['2026-03-01T11:00:00.5Z', '2026-03-01T11:00:00Z', '2026-03-01T12:00:00Z']
  for (const order of [times, times.toReversed()]) {
    const left = order.reduce((sum, createdAt) => withOpen(sum, { createdAt }), none)
    expect(left).toEqual({ count: 3, oldestCreatedAt: '2026-03-01T11:00:00Z', unreadable: 2 })
  }
})
