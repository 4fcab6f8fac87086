import { foreignWords } from '@regent/runtime/logging/foreign-words.ts'
import type { ApiAnswer } from './api-server.ts'
import { textAt } from './json.ts'
import { parseLease } from './lease-record.ts'
import type { Answer } from './state.ts'

/** What was asked of the API server, as its permissions name it. */
export interface Asked {
  readonly verb: 'get' | 'create' | 'update' | 'watch'
  readonly leaseName: string
  readonly leaseNamespace: string
}

/** What an answer of the API server means for the election. */
export function answerOf(answer: ApiAnswer, asked: Asked): Answer {
  if (answer.kind === 'failure') return { kind: 'failure', why: foreignWords(answer.why) }
  const { status, body } = answer
  const message = foreignWords(textAt(body, 'message') ?? 'no message')
  switch (status) {
    case 200:
    case 201: {
      const lease = parseLease(body)
      return lease ? { kind: 'lease', lease } : { kind: 'failure', why: 'the API server answered with no Lease' }
    }
    case 404:
      // On a create it is the namespace that does not exist.
      return asked.verb === 'create' ? { kind: 'refused', why: message } : { kind: 'absent' }
    case 409:
      return { kind: 'conflict' }
    case 401:
      return { kind: 'refused', why: `the API server does not accept this pod's token (401): ${message}` }
    case 403:
      return { kind: 'refused', why: forbidden(asked, message) }
    default:
      if (status === 429 || status >= 500) return { kind: 'failure', why: `${status}: ${message}` }
      return { kind: 'refused', why: `${status} at ${asked.verb} of the Lease ${asked.leaseName}: ${message}` }
  }
}

/** That the Role lacks something, in words that say what to allow where. */
export function forbidden({ verb, leaseName, leaseNamespace }: Asked, message: string): string {
  return `may not ${verb} the Lease ${leaseName} in ${leaseNamespace}; the Role ${leaseName} there must allow '${verb}' of leases.coordination.k8s.io and be bound to this pod's ServiceAccount (${message})`
}
