import type { Configuration, KubeConfig } from '@kubernetes/client-node'
import { reasonOf } from '../lib/reason.ts'
import { suggestion } from './environments.ts'
import { Refusal, UsageError } from './errors.ts'

/** What is needed to ask a cluster. */
export interface ClusterConnection {
  /** The client, which is heavy: only commands that ask a cluster load it. */
  readonly client: typeof import('@kubernetes/client-node')
  readonly configuration: Configuration
  /** URL of the API server, for messages. */
  readonly server: string
  /**
   * The time in milliseconds. Where the API server's clock differs from this machine's by more than its answers can
   * tell, which carry whole seconds, the API server's: what the cluster wrote is judged by the cluster's time.
   */
  readonly time: () => number
}

/** Which cluster to ask, as every command that asks one takes it. */
export interface ClusterOptions {
  readonly kubeconfig?: string
  readonly context?: string
}

/** Longest time that one request may take. */
const longestRequestMilliseconds = 10_000
/** What whole seconds and the way of an answer can make of two equal clocks, in milliseconds. */
const indistinctMilliseconds = 2000
/** Where the client looks when it has found no kubeconfig. */
const nowhere = 'http://localhost:8080'

/**
 * Prepares to ask the cluster of a kubeconfig; nothing is asked yet.
 *
 * @throws Refusal when there is no kubeconfig, or it names no cluster
 * @throws UsageError for a context that the kubeconfig does not have
 */
export async function connectionTo(
  { kubeconfig, context }: ClusterOptions,
  requestMilliseconds = longestRequestMilliseconds,
): Promise<ClusterConnection> {
  const [client, { overHttp1 }] = await Promise.all([import('@kubernetes/client-node'), import('./over-http1.ts')])
  const config = new client.KubeConfig()
  loadConfig(config, kubeconfig)
  if (context !== undefined) {
    const known = config.getContexts().map(({ name }) => name)
    if (!known.includes(context)) throw new UsageError(`unknown context '${context}'${suggestion(context, known)}`)
    config.setCurrentContext(context)
  }
  const server = config.getCurrentCluster()?.server
  if (server === undefined || server === nowhere || server.includes('undefined')) {
    throw new Refusal([
      'error: no cluster: name a kubeconfig by --kubeconfig or KUBECONFIG, and a context by --context',
    ])
  }

  let aheadMilliseconds = 0
  const configuration = client.createConfiguration({
    baseServer: new client.ServerConfiguration(server, {}),
    authMethods: { default: config },
    promiseMiddleware: [
      {
        pre: (request) => {
          request.setSignal(AbortSignal.timeout(requestMilliseconds))
          request.setDispatcher(overHttp1(request.getDispatcher()))
          return Promise.resolve(request)
        },
        post: (response) => {
          const date = Date.parse(response.headers['date'] ?? '')
          if (!Number.isNaN(date)) aheadMilliseconds = date - Date.now()
          return Promise.resolve(response)
        },
      },
    ],
  })
  const time = () => Date.now() + (Math.abs(aheadMilliseconds) > indistinctMilliseconds ? aheadMilliseconds : 0)
  return { client, configuration, server, time }
}

function loadConfig(config: KubeConfig, file: string | undefined): void {
  try {
    if (file === undefined) config.loadFromDefault()
    else config.loadFromFile(file)
  } catch (error) {
    const name = file ?? process.env['KUBECONFIG'] ?? 'the default kubeconfig'
    throw new Refusal([`error: ${name} cannot be read as a kubeconfig: ${reasonOf(error)}`])
  }
}

/** The status code with which a cluster refused, if it answered at all. */
export function codeOf(error: unknown): number | undefined {
  const { code } = error as { readonly code?: unknown }
  return typeof code === 'number' ? code : undefined
}

/** Why the cluster did not answer. Never its response, which may hold a secret. */
export function whyNot(error: unknown, action = 'read it'): string {
  if ((error as { readonly name?: string }).name === 'TimeoutError') return `no answer in time`
  const code = codeOf(error)
  if (code === undefined) return reasonOf(error)
  if (code === 401) return 'it refuses the credentials (401)'
  return code === 403 ? `the user may not ${action} (403)` : `it answers with ${code}`
}
