import { describe, expect, test } from '@jest/globals'
import { leaseAnnotations } from '@regent/contract/names.ts'
import { answerOf, endWork, leader, leaseMs, leaseOf, Play, recordOf, renewedByOther, standby } from './machine-play.ts'

/** As after a restore of etcd: the versions go on from an older one. */
function restore(play: Play, version: number): Play {
  play.api.version = version
  play.api.edit({ annotations: { 'somebody.example/restored': 'yes' } })
  return play.forgetEvents()
}

describe('epochs', () => {
  test('grow over releases, deletions and edits', () => {
    const play = leader()
    const epochs = [play.status.epoch ?? 0n]
    for (let count = 0; count < 12; count += 1) {
      if (count % 3 === 0) play.api.remove()
      else if (count % 3 === 1) play.api.edit({ spec: { holderIdentity: '' } })
      else play.api.edit({ annotations: { [leaseAnnotations.stepDown]: play.me } })
      play.watch()
      if (play.state.work) endWork(play)
      play.live(leaseMs + 500)
      epochs.push(play.status.epoch ?? 0n)
    }
    expect(epochs).toHaveLength(13)
    expect(play.state.takeovers.map(({ epoch }) => BigInt(epoch))).toEqual(epochs.slice(-5).reverse())
    for (const [index, epoch] of epochs.entries()) if (index > 0) expect(epoch).toBeGreaterThan(epochs[index - 1] ?? 0n)
  })
})

describe('versions that go backwards', () => {
  test('end a reign, and nobody here leads until they have caught up', () => {
    const play = leader()
    for (let count = 0; count < 10; count += 1) play.live(1500)
    restore(play, 50).live(1600)
    expect(play.took()).toContain('end')
    expect(play.status).toMatchObject({ role: 'standby', obstacle: expect.stringContaining('--bump-revision') })
    endWork(play).live(60_000)
    expect(play.status.role).toBe('standby')
    restore(play, 5000).live(5000)
    expect(play.status.obstacle).toBeUndefined()
    expect(play.status.role).toBe('leading')
    expect(play.status.epoch).toBeGreaterThan(5000n)
  })

  test('keep a standby from taking the Lease', () => {
    const play = standby()
    restore(play, 50).live(leaseMs + 5000)
    expect(play.status.obstacle).toContain('went back from resourceVersion 101 to 51')
    expect(play.isReady).toBe(false)
    expect(play.status.role).toBe('standby')
  })

  test('by exactly as much as a write adds make no epoch twice', () => {
    const play = standby().pass(1000)
    play.api.remove()
    play.watch().live(leaseMs - 100)
    const known = play.state.newestVersion
    play.api.version = Number(known) - 1
    play.pass(100).answer(answerOf(play.land()))
    expect(play.pending).toBe('take')
    play.answer(answerOf(play.land()))
    expect(play.lease.version).toBe(known)
    expect(play.took()).not.toContain('begin')
    expect(play.status).toMatchObject({ role: 'standby', obstacle: expect.stringContaining('an epoch must grow') })
    play.live(10_000)
    expect(play.status.epoch).toBeGreaterThan(known)
  })

  test('are not believed of an answer that was merely overtaken by the watch', () => {
    const play = standby().pass(3000)
    const lease = play.lease
    renewedByOther(play).watch().answer({ kind: 'lease', lease })
    expect(play.status.obstacle).toBeUndefined()
    expect(play.state.record?.version).toBe(102n)
  })
})

describe('a resourceVersion that is no number', () => {
  test.each(['abc', '', '1.5', '-3', '0x10', '9'.repeat(40)])('%p ends a reign and lets nobody lead', (version) => {
    const play = leader()
    const { metadata, spec } = play.lease.object
    play.give({ type: 'event', lease: recordOf({ metadata: { ...metadata, resourceVersion: version }, spec }) })
    expect(play.took()).toEqual(['forbid', 'end'])
    endWork(play).pass(1000)
    expect(play.status).toMatchObject({ role: 'standby', obstacle: expect.stringContaining('is no number') })
    expect(play.isReady).toBe(false)
    expect(play.pending).toBe('none')
  })

  test('is nothing that a standby would take', () => {
    const play = new Play().give({ type: 'prepared', value: true })
    const lease = leaseOf({ holderIdentity: '' }, { [leaseAnnotations.releasedBy]: 'x' })
    const garbage = recordOf({ ...lease, metadata: { ...lease.metadata, resourceVersion: 'abc' } })
    for (let count = 0; count < 10; count += 1) {
      if (play.pending !== 'none') play.answer({ kind: 'lease', lease: garbage })
      play.pass(3000)
    }
    expect(play.takeEffects().filter(({ type }) => type === 'write')).toEqual([])
    expect(play.status).toMatchObject({ role: 'starting', synced: false })
  })
})
