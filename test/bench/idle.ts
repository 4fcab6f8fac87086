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

/** What three replicas cost while nothing happens: a row of the table. */
export async function idleFigures(contestant: Contestant): Promise<string[]> {
  const field = await Field.create(contestant, { apiProxied: false })
  try {
    const starts: number[] = []
    for (const replica of field.replicas) {
      await replica.start()
      const isReady = async (): Promise<boolean> => replica.heard.length > 0 && contestant.isReady(replica.place)
      await waitFor('a ready replica', isReady, { seconds: 30, everyMilliseconds: 5 })
      starts.push(performance.now() - replica.startedAtMs)
    }
    await field.start()
    // Whatever a start costs is not what idling costs.
    await pause(5000)
    const before = await requests(field)
    await pause(windowSeconds * 1000)
    const perSecond = ((await requests(field)) - before) / windowSeconds
    const rss = Math.max(...field.standbys.map(residentMebibytes))
    return [contestant.name, perSecond.toFixed(2), `${rss.toFixed(0)} MiB`, `${(median(starts) / 1000).toFixed(2)} s`]
  } finally {
    await field.close()
  }
}

async function requests(field: Field): Promise<number> {
  return (await auditEvents(field.namespace, committedAgent)).length
}

function residentMebibytes({ pid }: Replica): number {
  const [, kibibytes] = /^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? []
  return Number(kibibytes) / 1024
}
