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
  const parse = (part: string, schema: z.ZodType, value: unknown): unknown => {
    const parsed = schema.safeParse(value)
    if (parsed.success) return parsed.data
    problems.push(...parsed.error.issues.flatMap((issue) => problemsOf(part, issue)))
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
  if (problems.length === 0) return parsed
  const count = problems.length === 1 ? 'one thing is' : `${problems.length} things are`
  throw new Problem('invalid-request', `${count} wrong with the request`, { problems: problems.slice(0, mostProblems) })
}

function isNothing(body: unknown, expectsNone: boolean): boolean {
  if (body === undefined) return true
  const isObject = typeof body === 'object' && body !== null && !Array.isArray(body)
  return expectsNone && isObject && Object.keys(body).length === 0
}

function problemsOf(part: string, issue: z.core.$ZodIssue): RequestProblem[] {
  const where = (...more: readonly PropertyKey[]): string => {
    const path = [part, ...issue.path, ...more].map(String).join('.')
    return path.length <= longestPath ? path : `${path.slice(0, longestPath)}…`
  }
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.map((key) => ({ path: where(key), message: 'there is no such field; leave it out' }))
  }
  return [{ path: where(), message: issue.message }]
}
