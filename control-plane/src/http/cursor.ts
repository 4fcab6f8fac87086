import type { z } from 'zod'
import { Problem } from './problem.ts'

/** Where a list goes on, as the caller gets and returns it: opaque, so that nobody builds one. */
export function cursorOf(position: string): string {
  return Buffer.from(position, 'utf8').toString('base64url')
}

/**
 * The position of a cursor.
 *
 * @param schema what positions of this list are
 * @throws Problem where it is none of this list
 */
export function positionOf<Position>(cursor: string | undefined, schema: z.ZodType<Position>): Position | undefined {
  if (cursor === undefined) return undefined
  const position = schema.safeParse(Buffer.from(cursor, 'base64url').toString('utf8'))
  if (position.success) return position.data
  throw new Problem('invalid-request', 'the cursor is none of this list', {
    problems: [{ path: 'query.cursor', message: 'expected the `nextCursor` of the page before, got something else' }],
  })
}
