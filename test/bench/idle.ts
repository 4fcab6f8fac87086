import { readFileSync } from 'node:fs'
import { setTimeout as pause } from 'node:timers/promises'
import type { Contestant } from '../../agent/test/faults/contestant.ts'
import { Field } from '../../agent/test/faults/field.ts'
import { committedAgent } from '../../agent/test/faults/manifests.ts'
import type { Replica } from '../../agent/test/faults/replica.ts'
import { auditEvents } from '../cluster/audit-log.ts'
import { waitFor } from '../cluster/wait-for.ts'
import { median } from './measure.ts'

/** For how long requests are counted, in seconds: long enough for a watch to be opened again now and then. */
const windowSeconds = 60

/** How often a standby is started to measure it. */
const starts = 9

/** Regent's agent is the bundle of its image, which Node runs without any option, as in the image. */
export const idleColumns: readonly string[] = [
  'three idle replicas',
  'requests/s',
  'standby RSS',
  'p50 start to standby',
  'max',
]

/** What three replicas cost while nothing happens, and what a standby's start takes: a row of the table. */
export async function idleFigures(contestant: Contestant): Promise<string[]> {
  const field = await Field.create(contestant, { apiProxied: false })
  try {
    await field.start()
    // Whatever a start costs is not what idling costs.
    await pause(5000)
    const before = await requests(field)
    await pause(windowSeconds * 1000)
    const perSecond = ((await requests(field)) - before) / windowSeconds
    const rss = Math.max(...field.standbys.map(residentMebibytes))
    const times = await startsOfStandbys(field)
    const seconds = (milliseconds: number): string => `${(milliseconds / 1000).toFixed(2)} s`
    return [
      contestant.name,
      perSecond.toFixed(2),
      `${rss.toFixed(0)} MiB`,
      seconds(median(times)),
      seconds(Math.max(...times)),
    ]
  } finally {
    await field.close()
  }
}

/** How long a process takes until it would take over, in milliseconds: beside a leader, one after the other. */
async function startsOfStandbys(field: Field): Promise<readonly number[]> {
  const times: number[] = []
  for (let count = 0; count < starts; count++) {
    const replica = field.standbys[0]
    if (replica === undefined) throw new Error('no standby to start again')
    await replica.kill()
    await replica.start()
    const isReady = async (): Promise<boolean> => replica.heard.length > 0 && field.contestant.isReady(replica.place)
    await waitFor('a ready standby', isReady, { seconds: 30, everyMilliseconds: 5 })
    times.push(performance.now() - replica.startedAtMs)
    if (replica.believesToLead) throw new Error(`${replica.name} leads, and is no standby`)
  }
  return times
}

async function requests(field: Field): Promise<number> {
  return (await auditEvents(field.namespace, committedAgent)).length
}

function residentMebibytes({ pid }: Replica): number {
  const [, kibibytes] = /^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? []
  return Number(kibibytes) / 1024
}
