import { expect, test } from '@jest/globals'
import { OutageNotices } from '../../src/election/outage-notices.ts'

/** What is told while a request fails every second in these words, in seconds. */
function toldAt(notices: OutageNotices, words: (second: number) => string, seconds: number): readonly number[] {
  const told: number[] = []
  for (let second = 0; second < seconds; second += 1) {
    if (notices.hear(words(second), second * 1000)) told.push(second)
  }
  return told
}

test('an outage is told when it begins with its words, and how long it took when it is over', () => {
  const notices = new OutageNotices()
  expect(notices.hear(undefined, 0)).toBeUndefined()
  expect(notices.hear('no answer within 1 s', 1000)).toEqual([
    'warn',
    'api-server-unreachable',
    {
      message: 'the API server does not answer: without it nobody can renew the Lease or take it',
      why: 'no answer within 1 s',
    },
  ])
  expect(notices.hear(undefined, 3500)).toEqual(['info', 'api-server-answers', { seconds: 2.5 }])
  expect(notices.hear(undefined, 4000)).toBeUndefined()
  expect(notices.hear('no answer within 1 s', 5000)).toBeDefined()
})

test('an outage that lasts is told again after half a minute', () => {
  expect(toldAt(new OutageNotices(), () => 'no answer within 1 s', 100)).toEqual([0, 30, 60, 90])
})

test('other words are told at once, and words that alternate no more often than one', () => {
  expect(toldAt(new OutageNotices(), (second) => (second < 7 ? 'refused' : 'no answer'), 40)).toEqual([0, 7, 37])
  expect(toldAt(new OutageNotices(), (second) => `words ${second % 2}`, 40)).toEqual([0, 1, 30, 31])
})
