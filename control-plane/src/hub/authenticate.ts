import type { IncomingMessage } from 'node:http'
import { TLSSocket } from 'node:tls'
import type { Log } from '@regent/runtime/logging/log.ts'
import type { AgentIdentity } from '../identity/agent-identity.ts'
import type { Agents } from '../identity/agents.ts'
import { bearerOf } from '../identity/bearer.ts'
import { IdentityUnavailable, type RefusalReason, Unauthenticated } from '../identity/refusal.ts'
import { StoreUnavailable } from '../store/errors.ts'
import type { Refusal } from './agents-server.ts'

export interface AuthenticateOptions {
  readonly agents: Pick<Agents, 'identify' | 'identifyCertificate'>
  /** Whether agents can register here now. */
  readonly isReady: () => boolean
  /** From which address a request comes, for the log. */
  readonly addressOf: (request: IncomingMessage) => string
  readonly log: Log
}

/** Tells which agent opens a connection, by its client certificate where TLS has verified one, else by its token. */
export function authenticateAgents({ agents, isReady, addressOf, log }: AuthenticateOptions) {
  return async (request: IncomingMessage): Promise<{ readonly identity: AgentIdentity } | Refusal> => {
    if (!isReady()) return { status: 503, message: 'this pod cannot register agents at the moment' }
    try {
      const certificate = verifiedCertificate(request)
      if (certificate !== undefined) return { identity: agents.identifyCertificate(certificate) }
      const { authorization } = request.headers
      if (authorization === undefined) throw new Unauthenticated(reasonOfCertificate(request))
      return { identity: await agents.identify(bearerOf(authorization)) }
    } catch (error) {
      const address = addressOf(request)
      if (error instanceof Unauthenticated) {
        log.warn('agent-unauthenticated', { reason: error.reason, address })
        return { status: 401, message: error.message }
      }
      if (error instanceof StoreUnavailable || error instanceof IdentityUnavailable) {
        log.warn('agent-unidentified', { error, address })
        return { status: 503, message: 'who this is cannot be told at the moment' }
      }
      log.error('agent-identification-failed', { error: error as Error, address })
      return { status: 503, message: 'who this is could not be told' }
    }
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
