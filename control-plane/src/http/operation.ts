import type { ProblemType, Role } from '@regent/contract/api.ts'
import type { z } from 'zod'
import type { Caller } from '../identity/caller.ts'

/** What an operation knows of the request that it answers. */
export interface Call<Path = unknown, Query = unknown, Headers = unknown, Body = unknown> {
  readonly caller: Caller
  readonly requestId: string
  readonly path: Path
  readonly query: Query
  readonly headers: Headers
  readonly body: Body
}

type Schema = z.ZodType
type Shape = z.ZodObject

/** What can be asked of the API at one path with one method. */
export interface OperationDefinition<
  Path extends Shape,
  Query extends Shape,
  Headers extends Shape,
  Body extends Schema,
  Answer extends Schema,
> {
  /** Its name in the OpenAPI document, and in clients that are made from it. */
  readonly id: string
  readonly method: 'GET' | 'POST' | 'DELETE'
  /** Below the API's prefix, with `{parameters}`. */
  readonly route: string
  readonly tag: 'agents' | 'keys' | 'commands' | 'tokens' | 'callers' | 'state'
  readonly summary: string
  readonly description?: string
  /** The least role that may do it. */
  readonly role: Role
  readonly path?: Path
  readonly query?: Query
  /** Only those that are named; others are nobody's business. Names in lower case. */
  readonly headers?: Headers
  readonly body?: Body
  /** Longest body, in bytes. @default that of the API */
  readonly longestBodyBytes?: number
  readonly status: 200 | 201 | 204
  /** What is answered; nothing with 204. */
  readonly answer?: Answer
  /** Problems beside those that every operation may answer with. */
  readonly problems?: readonly ProblemType[]
  /** Where what was made can be read, below the API's prefix. */
  readonly location?: (answer: z.output<Answer>) => string
  /** What was changed, for the audit log: a path below the API's prefix without secrets. @default the request's path */
  readonly subject?: (answer: z.output<Answer>) => string
  readonly handle: (
    call: Call<z.output<Path>, z.output<Query>, z.output<Headers>, z.output<Body>>,
  ) => Promise<z.output<Answer>>
}

/** An operation, whatever it takes and answers. */
export interface Operation {
  readonly id: string
  readonly method: 'GET' | 'POST' | 'DELETE'
  readonly route: string
  readonly tag: string
  readonly summary: string
  readonly description?: string
  readonly role: Role
  readonly path?: Shape
  readonly query?: Shape
  readonly headers?: Shape
  readonly body?: Schema
  readonly longestBodyBytes?: number
  readonly status: 200 | 201 | 204
  readonly answer?: Schema
  readonly problems?: readonly ProblemType[]
  /** Answers a call whose parts are what the schemas made of the request. */
  readonly perform: (call: Call) => Promise<Performed>
}

export interface Performed {
  readonly answer: unknown
  readonly location?: string
  readonly subject?: string
}

/**
 * Declares an operation: its handler is given what the schemas make of a request, and nothing else of it. Whoever serves
 * it must have parsed the parts of the call by the very schemas of the operation.
 */
export function operation<
  Path extends Shape = z.ZodObject,
  Query extends Shape = z.ZodObject,
  Headers extends Shape = z.ZodObject,
  Body extends Schema = z.ZodUndefined,
  Answer extends Schema = z.ZodUndefined,
>(definition: OperationDefinition<Path, Query, Headers, Body, Answer>): Operation {
  const { handle, location, subject, ...declared } = definition
  return {
    ...declared,
    perform: async (call) => {
      const answer = await handle(call as Call<z.output<Path>, z.output<Query>, z.output<Headers>, z.output<Body>>)
      return {
        answer,
        ...(location !== undefined && { location: location(answer) }),
        ...(subject !== undefined && { subject: subject(answer) }),
      }
    },
  }
}
