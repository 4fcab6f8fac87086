import { readFileSync } from 'node:fs'
import { isIPv6 } from 'node:net'
import { KubeConfig, type RequestContext } from '@kubernetes/client-node'
import { Agent } from 'undici'
import type { ApiServer } from '../election/api-server.ts'

/**
 * The configuration of the Kubernetes client: `clientConfig(access).makeApiClient(AppsV1Api)`.
 *
 * The library's own would read other variables and files than the contract declares, keep a token for a minute after
 * it was replaced, open a TLS connection for every single request, and speak HTTP/2.
 */
export function clientConfig({ host, port, tokenFile, caFile }: ApiServer): KubeConfig {
  const config = new PooledConfig(tokenFile, caFile)
  config.loadFromClusterAndUser(
    { name: 'cluster', server: `https://${isIPv6(host) ? `[${host}]` : host}:${port}`, caFile, skipTLSVerify: false },
    { name: 'agent' },
  )
  return config
}

/** As client-go has it: undici's own minute is also when load balancers forget a connection. */
const tcpKeepAliveMs = 30_000

/** A configuration whose requests share their connections. */
class PooledConfig extends KubeConfig {
  readonly #tokenFile: string
  readonly #caFile: string
  #pool: { readonly agent: Agent; readonly ca: string } | undefined

  constructor(tokenFile: string, caFile: string) {
    super()
    this.#tokenFile = tokenFile
    this.#caFile = caFile
  }

  override applySecurityAuthentication(context: RequestContext): Promise<void> {
    context.setDispatcher(this.#agentFor(readFileSync(this.#caFile, 'utf8')))
    context.setHeaderParam('Authorization', `Bearer ${readFileSync(this.#tokenFile, 'utf8').trim()}`)
    return Promise.resolve()
  }

  /**
   * HTTP/1.1 alone: undici ends a request of HTTP/2 that is given up by closing its stream and destroying it at once,
   * and Node 24 then repeats the frame that resets it without end. The main thread never comes back, within
   * milliseconds of a leader's end for instance, when its requests are given up.
   */
  #agentFor(ca: string): Agent {
    if (this.#pool?.ca === ca) return this.#pool.agent
    // Ends when the requests that run on it have ended; they go on with the authority that they began with.
    this.#pool?.agent.close().catch(() => undefined)
    const connect = { ca, keepAlive: true, keepAliveInitialDelay: tcpKeepAliveMs }
    this.#pool = { agent: new Agent({ allowH2: false, connect }), ca }
    return this.#pool.agent
  }
}
