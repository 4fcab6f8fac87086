import type { ApiAnswer, ApiRequest } from '../../../agent/src/election/api-server.ts'
import { systemClock } from '../../../agent/src/election/clock.ts'
import type { LeaseObject } from '../../../agent/src/election/lease-record.ts'
import type { SimulatedApiServer } from '../world/api-server.ts'
import { mustRun } from '../world/simulated-process.ts'
import type { Way } from '../world/way.ts'

/** A place from which the API server is reached. */
export interface HasApiServer {
  readonly api: SimulatedApiServer
  readonly toApiServer: Way
}

/** Stands for the connection to the API server: one request after the other, each ended in its time. */
export class ApiConnection {
  readonly #thread = mustRun()
  readonly #place = this.#thread.process.place as HasApiServer
  #before: Promise<unknown> = Promise.resolve()
  #isClosed = false

  request(request: ApiRequest): Promise<ApiAnswer> {
    const startedAt = systemClock.now()
    const answer = new Promise<ApiAnswer>((resolve) => {
      const fail = (why: string): void => resolve({ kind: 'failure', why, startedAt })
      const late = setTimeout(() => fail(`no answer within ${request.timeoutSeconds} s`), request.timeoutSeconds * 1000)
      // Waiting for its turn is a part of its time.
      void this.#before.then(() => {
        if (this.#isClosed) {
          fail('the connection was closed here')
          return
        }
        this.#place.toApiServer.request(
          this.#thread,
          () => replyTo(this.#place.api, request),
          (outcome) => {
            clearTimeout(late)
            if ('broken' in outcome) fail(`connection ${outcome.broken}`)
            else resolve({ kind: 'answer', ...outcome.answer, startedAt })
          },
        )
      })
    })
    this.#before = answer
    return answer
  }

  close(): void {
    this.#isClosed = true
  }
}

function replyTo(
  { lease: leases, lineage }: SimulatedApiServer,
  { method, path, body }: ApiRequest,
): { readonly status: number; readonly body: unknown } {
  if (path.endsWith('/namespaces/kube-system')) return { status: 200, body: { metadata: { uid: lineage } } }
  const sent = body as LeaseObject
  const reply = method === 'GET' ? leases.read() : leases.write(method === 'POST' ? 'create' : 'update', sent)
  if (reply.status !== 200) return { status: reply.status, body: { kind: 'Status', code: reply.status } }
  return { status: method === 'POST' ? 201 : 200, body: structuredClone(reply.lease) }
}
