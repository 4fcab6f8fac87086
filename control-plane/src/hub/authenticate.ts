import type { IncomingMessage } from 'node:http'
import { TLSSocket } from 'node:tls'
import type { Log } from '@regent/runtime/logging/log.ts'
import { networkOf } from '../http/client-address.ts'
import { Strangers } from '../http/strangers.ts'
import { type Rate, TokenBuckets } from '../http/token-buckets.ts'
import type { AgentIdentity } from '../identity/agent-identity.ts'
import type { Agents } from '../identity/agents.ts'
import { bearerOf } from '../identity/bearer.ts'
import { IdentityUnavailable, type RefusalReason, Unauthenticated } from '../identity/refusal.ts'
import { StoreUnavailable } from '../store/errors.ts'
import type { Refusal } from './agents-server.ts'

/** How often one address makes a line of the log while nobody can tell who it is. */
const mostOutageLines: Rate = { perSecond: 1, burst: 10 }

export interface AuthenticateOptions {
  readonly agents: Pick<Agents, 'identify' | 'identifyCertificate'>
  /** Whether agents can register here now. */
  readonly isReady: () => boolean
  /** From which address a request comes, for the log. */
  readonly addressOf: (request: IncomingMessage) => string
  readonly log: Log
  /** Monotonic time in milliseconds. @default performance.now */
  readonly now?: () => number
  /** How often an address may come without good credentials. @default 5 a second, 50 at once */
  readonly strangerRate?: Rate
}

/**
 * Tells which agent opens a connection, by its client certificate where TLS has verified one, else by its token.
 *
 * An address that brought too many wrong credentials is told to come later, and that is not logged: see
 * {@link Strangers}. A certificate that TLS has verified is looked at all the same, it costs no look into etcd.
 */
export function authenticateAgents(options: AuthenticateOptions) {
  const { agents, isReady, addressOf, log, now = () => performance.now(), strangerRate } = options
  const strangers = new Strangers({ now, rate: strangerRate })
  const outageLines = new TokenBuckets({ ...mostOutageLines, now })
  return async (request: IncomingMessage): Promise<{ readonly identity: AgentIdentity } | Refusal> => {
    if (!isReady()) return { status: 503, message: 'this pod cannot register agents at the moment' }
    const address = addressOf(request)
    const { authorization } = request.headers
    try {
      const certificate = verifiedCertificate(request)
      if (certificate !== undefined) return { identity: agents.identifyCertificate(certificate) }
      const wait = strangers.waitSeconds(address, authorization)
      if (wait > 0) return tooMany(wait)
      if (authorization === undefined) throw new Unauthenticated(reasonOfCertificate(request))
      const identity = await agents.identify(bearerOf(authorization))
      strangers.admitted(authorization)
      return { identity }
    } catch (error) {
      if (error instanceof Unauthenticated) {
        const wait = strangers.refused(address, authorization)
        if (wait > 0) return tooMany(wait)
        log.warn('agent-unauthenticated', { reason: error.reason, address })
        return { status: 401, message: error.message }
      }
      if (error instanceof StoreUnavailable || error instanceof IdentityUnavailable) {
        if (outageLines.take(networkOf(address)) === 0) log.warn('agent-unidentified', { error, address })
        return { status: 503, message: 'who this is cannot be told at the moment' }
      }
      log.error('agent-identification-failed', { error: error as Error, address })
      return { status: 503, message: 'who this is could not be told' }
    }
  }
}

function tooMany(retryAfterSeconds: number): Refusal {
  return {
    status: 429,
    message: `there were too many wrong credentials from this address; come again in ${retryAfterSeconds} s`,
    retryAfterSeconds,
  }
}

/** Why the certificate of a client that sent nothing else does not count. */
function reasonOfCertificate({ socket }: IncomingMessage): RefusalReason {
  if (!(socket instanceof TLSSocket) || socket.getPeerX509Certificate() === undefined) return 'missing'
  // A code of OpenSSL, whatever the types say.
  const code = String(socket.authorizationError)
  if (code === 'CERT_HAS_EXPIRED') return 'expired'
  return code === 'CERT_NOT_YET_VALID' ? 'not-yet-valid' : 'authority'
}

/** The certificate of the client, DER; nothing where it sent none, or one that TLS could not verify. */
function verifiedCertificate({ socket }: IncomingMessage): Uint8Array | undefined {
  return socket instanceof TLSSocket && socket.authorized ? socket.getPeerX509Certificate()?.raw : undefined
}
