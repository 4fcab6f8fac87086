import { readFileSync } from 'node:fs'
import { isIPv6 } from 'node:net'
import { KubeConfig, type RequestContext } from '@kubernetes/client-node'
import type { ApiServer } from '../election/api-server.ts'

/**
 * The configuration of the Kubernetes client: `clientConfig(access).makeApiClient(AppsV1Api)`.
 *
 * The library's own would read other variables and files than the contract declares, keep a token for a minute after
 * it was replaced, and open a TLS connection for every single request.
 */
export function clientConfig({ host, port, tokenFile, caFile }: ApiServer): KubeConfig {
  const config = new PooledConfig(tokenFile, caFile)
  config.loadFromClusterAndUser(
    { name: 'cluster', server: `https://${isIPv6(host) ? `[${host}]` : host}:${port}`, caFile, skipTLSVerify: false },
    { name: 'agent' },
  )
  return config
}

type Dispatcher = NonNullable<ReturnType<RequestContext['getDispatcher']>>

/** A configuration whose requests share their connections. */
class PooledConfig extends KubeConfig {
  readonly #tokenFile: string
  readonly #caFile: string
  #pool: { readonly dispatcher: Dispatcher; readonly ca: string } | undefined

  constructor(tokenFile: string, caFile: string) {
    super()
    this.#tokenFile = tokenFile
    this.#caFile = caFile
  }

  override async applySecurityAuthentication(context: RequestContext): Promise<void> {
    const ca = readFileSync(this.#caFile, 'utf8')
    if (this.#pool?.ca !== ca) {
      const former = this.#pool?.dispatcher
      // It makes a dispatcher from the authority, for this request; we keep it for those that follow.
      await super.applySecurityAuthentication(context)
      const dispatcher = context.getDispatcher()
      if (dispatcher !== undefined) this.#pool = { dispatcher, ca }
      // Ends when the requests that run on it have ended; they go on with the authority that they began with.
      former?.close().catch(() => undefined)
    }
    if (this.#pool !== undefined) context.setDispatcher(this.#pool.dispatcher)
    context.setHeaderParam('Authorization', `Bearer ${readFileSync(this.#tokenFile, 'utf8').trim()}`)
  }
}
