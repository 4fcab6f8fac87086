import { Observable, type ObservableMiddleware } from '@kubernetes/client-node'

/** Options of one request of the Kubernetes client. */
export interface RequestOptions {
  readonly middleware: ObservableMiddleware[]
  readonly middlewareMergeStrategy: 'append'
}

/**
 * Options for one request of the Kubernetes client: it is given up when the signal is aborted, or after so many
 * seconds. Without them a request waits for five minutes for an answer.
 *
 * A request that was given up may still have happened, and one that is on its way may still happen.
 *
 * @param seconds the longest that the whole request may take, its answer included
 */
export function cancelledBy(signal: AbortSignal, seconds: number): RequestOptions {
  const either = AbortSignal.any([signal, AbortSignal.timeout(seconds * 1000)])
  return {
    middleware: [
      {
        pre: (request) => {
          request.setSignal(either)
          return new Observable(Promise.resolve(request))
        },
        post: (response) => new Observable(Promise.resolve(response)),
      },
    ],
    // The default would replace the client's own.
    middlewareMergeStrategy: 'append',
  }
}
