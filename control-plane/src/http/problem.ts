import {
  longestBodyBytes,
  type ProblemDetails,
  type ProblemType,
  problemTypePrefix,
  problemTypes,
} from '@regent/contract/api.ts'

/** What every problem of a type is called. */
export const problemTitles: Readonly<Record<ProblemType, string>> = {
  'invalid-request': 'The request is not as the API describes it',
  unauthenticated: 'The caller did not prove who it is',
  forbidden: 'The caller may not do this',
  'not-found': 'There is no such resource',
  'method-not-allowed': 'The resource does not know this method',
  'request-timeout': 'The request did not arrive in time',
  conflict: 'The state of the resource does not allow this',
  'body-too-large': `The body is larger than the operation takes: ${longestBodyBytes} bytes, where nothing else is said`,
  'unsupported-media-type': 'The body is no JSON',
  'idempotency-key-reused': 'The idempotency key was used for another request',
  'queue-full': 'The agent has as many open commands as it may have',
  'too-many-requests': 'There were too many requests',
  'headers-too-large': 'The headers are too large',
  internal: 'The control plane failed',
  'identity-unavailable': 'Credentials cannot be checked at the moment',
  'store-unavailable': 'The store does not answer at the moment',
  'store-full': 'The store is full: nothing that takes room can be stored until there is some',
}

/** One thing that is wrong with a request. */
export interface RequestProblem {
  /** Where: `body.deadlineSeconds`, `query.limit`, `path.agentId`, `header.idempotency-key`. */
  readonly path: string
  readonly message: string
}

export interface ProblemOptions extends ErrorOptions {
  readonly problems?: readonly RequestProblem[]
  /** Headers of the answer. */
  readonly headers?: Readonly<Record<string, string>>
}

/** A request that is answered by an error, with what the caller may know of it. */
export class Problem extends Error {
  readonly type: ProblemType
  readonly problems: readonly RequestProblem[] | undefined
  readonly headers: Readonly<Record<string, string>>

  /** @param detail a sentence for the caller: what is wrong, and what to do */
  constructor(type: ProblemType, detail: string, options: ProblemOptions = {}) {
    super(detail, options)
    this.name = 'Problem'
    this.type = type
    this.problems = options.problems
    this.headers = options.headers ?? {}
  }

  get status(): number {
    return problemTypes[this.type]
  }
}

/** The media type of problem details. */
export const problemMediaType = 'application/problem+json'

/** A problem as RFC 9457 has it. @param requestId the id that the log has it under */
export function problemDetailsOf(problem: Problem, requestId: string): ProblemDetails {
  return {
    type: `${problemTypePrefix}${problem.type}`,
    title: problemTitles[problem.type],
    status: problem.status,
    detail: problem.message,
    instance: `urn:regent:request:${requestId}`,
    ...(problem.problems !== undefined && { problems: [...problem.problems] }),
  }
}
