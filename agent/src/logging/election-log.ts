import type { Election, ElectionStatus } from '../election/election.ts'
import type { Log } from '@regent/runtime/logging/log.ts'

/** A watch that restarts again and again for one reason is told once in this time, in milliseconds. */
const repeatedRestartMilliseconds = 60_000

/**
 * Writes what happens in an election to the log. Renewals are for `debug`: there is one every few seconds. So are
 * watches that restart for a reason that was told a moment ago: an outage of the API server is not two lines a second.
 *
 * @param now wall-clock time in milliseconds
 */
export function logElection(election: Pick<Election, 'on'>, log: Log, now: () => number = Date.now): void {
  const told = new Map<string, { readonly reason: string; readonly at: number }>()
  const isNews = (watch: string, reason: string): boolean => {
    const last = told.get(watch)
    const isRepeated = last?.reason === reason && Math.abs(now() - last.at) < repeatedRestartMilliseconds
    if (!isRepeated) told.set(watch, { reason, at: now() })
    return !isRepeated
  }
  let before: Partial<ElectionStatus> = {}
  election.on('status', (status) => {
    const { role, holder, epoch, obstacle, cordoned } = status
    if (role !== before.role) log.info('role-changed', { role, holder, epoch })
    if (cordoned !== (before.cordoned ?? false)) log.info(cordoned ? 'cordoned' : 'uncordoned')
    if (obstacle !== before.obstacle) {
      if (obstacle === undefined) log.info('obstacle-gone')
      else log.warn('obstacle', { message: obstacle })
    }
    before = status
  })
  election.on('leading', ({ epoch, lineage, holder, reason, phases }, { resumed }) => {
    const { detected, acquired } = phases
    log.info('leading', { epoch, lineage, holder, reason, resumed, detectedMs: detected, acquiredMs: acquired })
  })
  election.on('ended', ({ epoch, reason }) => log.info('leadership-ended', { epoch, reason }))
  election.on('renewed', (seconds) => log.debug('renewed', { seconds }))
  election.on('slowPath', () => log.info('renewed-after-read'))
  election.on('watchRestarted', (watch, reason, why) =>
    log[isNews(watch, reason) ? 'info' : 'debug']('watch-restarted', { watch, reason, why }),
  )
  election.on('evidence', ({ by, confirmed, why }) => log.info('evidence-judged', { by, confirmed, why }))
  election.on('stalled', (seconds) => log.warn('event-loop-stalled', { seconds }))
  election.on('notice', (level, event, fields) => log[level](event, fields))
}
