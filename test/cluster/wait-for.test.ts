import { describe, expect, jest, test } from '@jest/globals'
import { Stop, waitFor } from './wait-for.ts'

const fast = { everyMilliseconds: 1 }

describe('waiting', () => {
  test('looks until there is something, whatever was thrown before', async () => {
    const probe = jest.fn<() => string | undefined>()
    probe.mockReturnValueOnce(undefined).mockImplementationOnce(() => {
      throw new Error('not yet')
    })
    probe.mockReturnValueOnce('found')
    expect(await waitFor('something', probe, fast)).toBe('found')
  })

  test('looks once more after this process stood still for longer than it was to wait', async () => {
    let looks = 0
    const seconds = 0.02
    const found = await waitFor(
      'something',
      () => {
        looks += 1
        if (looks > 1) return 'found'
        Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 3000 * seconds)
        return undefined
      },
      { seconds, ...fast },
    )
    expect(found).toBe('found')
  })

  test('fails if the time is over, with what was last seen', async () => {
    const cause = new Error('not yet')
    const waiting = waitFor('something', () => Promise.reject(cause), { seconds: 0.01, ...fast })
    await expect(waiting).rejects.toThrow(new Error('something: not after 0.01 s', { cause }))
  })

  test('fails if waiting is in vain, at once', async () => {
    const cause = new Error('never')
    const probe = jest.fn(() => {
      throw new Stop(cause)
    })
    await expect(waitFor('something', probe, fast)).rejects.toBe(cause)
    expect(probe).toHaveBeenCalledTimes(1)
  })
})
