import { z } from 'zod'
import type { Operation } from './operation.ts'
import { Problem, type RequestProblem } from './problem.ts'

/** Most problems that an answer lists, and the longest path of one, in characters. */
const mostProblems = 50
const longestPath = 200

/** The parts of a request, as they were received. */
export interface ReceivedParts {
  readonly path: unknown
  readonly query: unknown
  readonly headers: Readonly<Record<string, unknown>>
  readonly body: unknown
}

const nothing = z.strictObject({})
const noBody = z.undefined({ error: 'expected no body' })

/**
 * What the schemas of an operation make of a request.
 *
 * @throws Problem with everything that is wrong with any part of it
 */
export function parseRequest(
  {
    path = nothing,
    query = nothing,
    headers = nothing,
    body = noBody,
  }: Pick<Operation, 'path' | 'query' | 'headers' | 'body'>,
  received: ReceivedParts,
): { readonly path: unknown; readonly query: unknown; readonly headers: unknown; readonly body: unknown } {
  const problems: RequestProblem[] = []
  let count = 0
  const parse = (part: string, schema: z.ZodType, value: unknown): unknown => {
    const parsed = schema.safeParse(value)
    if (parsed.success) return parsed.data
    for (const issue of parsed.error.issues) {
      // A body may have a field that nobody knows for every few of its bytes.
      problems.push(...problemsOf(part, issue, mostProblems - problems.length))
      count += issue.code === 'unrecognized_keys' ? issue.keys.length : 1
    }
    return undefined
  }
  const named = Object.fromEntries(Object.keys(headers.shape).map((name) => [name, received.headers[name]]))
  const parsed = {
    path: parse('path', path, received.path),
    query: parse('query', query, received.query),
    headers: parse('header', headers, named),
    // An operation without a body takes `{}` from clients that always send JSON.
    body: parse('body', body, isNothing(received.body, body === noBody) ? undefined : received.body),
  }
  if (count === 0) return parsed
  const counted = count === 1 ? 'one thing is' : `${count} things are`
  throw new Problem('invalid-request', `${counted} wrong with the request`, { problems })
}

function isNothing(body: unknown, expectsNone: boolean): boolean {
  if (body === undefined) return true
  const isObject = typeof body === 'object' && body !== null && !Array.isArray(body)
  return expectsNone && isObject && Object.keys(body).length === 0
}

/** What is wrong by one issue, the first so many. */
function problemsOf(part: string, issue: z.core.$ZodIssue, most: number): RequestProblem[] {
  const where = (...more: readonly PropertyKey[]): string => {
    const path = [part, ...issue.path, ...more].map(String).join('.')
    return path.length <= longestPath ? path : `${path.slice(0, longestPath)}…`
  }
  if (issue.code === 'unrecognized_keys') {
    return issue.keys
      .slice(0, most)
      .map((key) => ({ path: where(key), message: 'there is no such field; leave it out' }))
  }
  return most > 0 ? [{ path: where(), message: issue.message }] : []
}
