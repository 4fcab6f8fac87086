import { afterEach, beforeEach, expect, test } from '@jest/globals'
import { clientGo } from './contestant.ts'
import { Field } from './field.ts'
import { describeFaults } from './expectations.ts'
import { cutOff, killed, leaseDeleted, takeover, terminated } from './takeover.ts'

// That the harness can be pointed at an elector that is not ours, and tells the truth about it.
describeFaults('the harness around client-go', () => {
  let field: Field
  beforeEach(async () => {
    field = await Field.create(clientGo({ leaseDurationSeconds: 4, renewDeadlineSeconds: 2, retryPeriodSeconds: 0.5 }))
    await field.start()
  })
  afterEach(() => field.close())

  test('sees a stop, which hands over, and a kill, which waits for the Lease', async () => {
    const first = await field.leader(1)
    const planned = await takeover(field, terminated, 20)
    expect(planned.leader).not.toBe(first)
    expect(planned.awakeMilliseconds).toBeLessThan(4000)
    expect((await first.ended(5)).code).toBe(0)
    await first.start()
    const unplanned = await takeover(field, killed, 20)
    // Its standbys count from the last change that they saw, which is up to a retry period before the kill.
    expect(unplanned.milliseconds).toBeGreaterThan(2500)
    expect(unplanned.word.epoch).toBe(planned.word.epoch + 1n)
  })

  test('sees that a deleted Lease resets the number that client-go has for an epoch', async () => {
    await takeover(field, terminated, 20)
    const { word } = await takeover(
      field,
      async (leader, where) => {
        await leader.kill()
        return leaseDeleted(leader, where)
      },
      20,
    )
    expect(word.epoch).toBe(0n)
  })

  test('sees that a leader which cannot reach the API server gives up and ends', async () => {
    const leader = await field.leader(1)
    const { leader: next } = await takeover(field, cutOff, 20)
    expect(next).not.toBe(leader)
    await leader.ended(10)
  })
})
