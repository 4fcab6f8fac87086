import { importId, importResult, mostStateProblems } from '@regent/contract/api.ts'
import { z } from 'zod'
import { record } from '../store/record.ts'

const count = z.int().min(0)
const checksum = z.string().regex(/^[0-9a-f]{64}$/)

/** Where an entry stands among others: see `state-order.ts`. */
const place = z.object({ section: count, agentId: z.string(), part: count, id: z.string() })
export type Place = z.infer<typeof place>

/**
 * At `keys.importLock`, for as long as a state is imported: how far it has come. Its revision is what every write of
 * the import compares, so that what comes late changes nothing.
 */
export const importLockRecord = record(
  z.object({
    importId,
    begunAt: z.iso.datetime(),
    begunBy: z.string(),
    dropOpenCommands: z.boolean(),
    nextPart: count,
    entries: count,
    checksum,
    /** The last entry. */
    last: place.optional(),
    /** How many problems were found so far: with any it is never completed. */
    problems: count,
    /** The part that was taken last, so that it may be sent again. */
    lastPart: z
      .object({
        checksum,
        problems: z.array(z.object({ line: z.int(), message: z.string() })).max(mostStateProblems),
      })
      .optional(),
  }),
)
export type ImportLock = ReturnType<typeof importLockRecord.parse>

/** At `keys.importDone`: the last import that was completed, for who asks again because the answer was lost. */
export const importDoneRecord = record(importResult)
