/** What the API server answered to a request that it refused. */
export interface ApiRefusal {
  readonly status: number
  /** `reason` of the answer, `AlreadyExists` for instance; empty where there is none. */
  readonly reason: string
  /** `message` of the answer; the whole answer where it has another form. */
  readonly message: string
}

/**
 * The refusal in an error of the Kubernetes client; `undefined` where the API server did not answer at all.
 * The client hands on the body as text where the API's description names no type for that status, and parsed where
 * it does.
 */
export function refusalIn(error: unknown): ApiRefusal | undefined {
  if (typeof error !== 'object' || error === null || !('code' in error) || typeof error.code !== 'number') {
    return undefined
  }
  const body = parsed('body' in error ? error.body : undefined)
  return {
    status: error.code,
    reason: textOf(body, 'reason') ?? '',
    message: textOf(body, 'message') ?? (typeof body === 'string' ? body : ''),
  }
}

function parsed(body: unknown): unknown {
  if (typeof body !== 'string') return body
  try {
    return JSON.parse(body)
  } catch {
    return body
  }
}

function textOf(body: unknown, field: 'reason' | 'message'): string | undefined {
  if (typeof body !== 'object' || body === null || !(field in body)) return undefined
  const value = (body as Readonly<Record<string, unknown>>)[field]
  return typeof value === 'string' ? value : undefined
}
