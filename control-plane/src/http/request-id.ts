import { randomUUID } from 'node:crypto'

/** The id of a request: the caller's own where it is a plain word, so that logs of both sides can be put together. */
export function requestIdOf(header: string | readonly string[] | undefined): string {
  return typeof header === 'string' && /^[A-Za-z0-9._-]{1,64}$/.test(header) ? header : randomUUID()
}
