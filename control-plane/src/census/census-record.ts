import { z } from 'zod'
import { record } from '../store/record.ts'

const time = z.iso.datetime()
const count = z.int().min(0)

/** At `keys.census`: all agents and what they have to do, as the pod found them that swept last. */
export const censusRecord = record(
  z.object({
    takenAt: time,
    /** Name of the pod that took it. */
    pod: z.string().min(1).max(512),
    tookSeconds: z.number().min(0),
    agents: z.object({ pending: count, approved: count, rejected: count }),
    /** Approved agents for which nobody is registered, and since when that is so of the first of them. */
    leaderless: z.object({ count, since: time.optional() }),
    /** Approved agents of which a leadership is refused although it insists. */
    fenceConflicts: count,
    /** Commands that have not ended, and when the oldest of them was given. */
    openCommands: z.object({ count, oldestCreatedAt: time.optional() }),
    /** Records that could not be read: what they say is in none of the other figures. */
    unreadable: count,
  }),
)
export type Census = ReturnType<typeof censusRecord.parse>
