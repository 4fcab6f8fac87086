import { agentId as agentIdSchema } from '@regent/contract/api.ts'
import { filled, namespaceNames, objectNames } from '@regent/contract/names.ts'
import type { AgentIdentity } from './agent-identity.ts'
import type { AgentKeys } from './agent-keys.ts'
import { type Clock, systemClock } from './clock.ts'
import { type NamedCertificate, readCertificate } from './named-certificate.ts'
import { Unauthenticated } from './refusal.ts'
import type { ServiceAccountTokens } from './service-account-tokens.ts'

export interface AgentsOptions {
  readonly keys: Pick<AgentKeys, 'check'>
  /** Tokens of the cluster that the control plane runs in. @default none are accepted */
  readonly serviceAccounts?: Pick<ServiceAccountTokens, 'check'>
  /** @default the system's */
  readonly clock?: Clock
}

/** What the common name of an agent's certificate begins with. */
const certificatePrefix = 'agent:'
const accountPrefix = filled(objectNames.agent, { agentId: '' })

/**
 * Tells which agent connects: by the token of its ServiceAccount, by a key, or by a certificate that TLS has verified.
 *
 * Not found out here: whether the agent is approved, and whether its holder is in the pod of the token.
 */
export class Agents {
  readonly #options: AgentsOptions

  constructor(options: AgentsOptions) {
    this.#options = options
  }

  /**
   * @throws Unauthenticated with the reason
   * @throws IdentityUnavailable while the keys of the API server are not known
   * @throws StoreUnavailable where a key cannot be looked up
   */
  async identify(bearer: string): Promise<AgentIdentity> {
    const { keys, serviceAccounts } = this.#options
    if (bearer.startsWith('rgt_')) return keys.check(bearer)
    if (serviceAccounts === undefined) throw new Unauthenticated('issuer')
    const { namespace, name, pod, expiresAt } = await serviceAccounts.check(bearer)
    const agentId = namespace === namespaceNames.system ? idAfter(accountPrefix, name) : undefined
    if (agentId === undefined) throw new Unauthenticated('subject')
    return { agentId, by: 'serviceAccount', expiresAt, ...(pod !== undefined && { pod }) }
  }

  /**
   * The agent of a client certificate.
   *
   * @param certificate DER, of a connection whose certificate TLS has *verified* against the authority of agents; whether
   * it did is not looked at here
   * @throws Unauthenticated where its subject is anything but one common name of an agent, or it has expired since
   */
  identifyCertificate(certificate: Uint8Array): AgentIdentity {
    let read: NamedCertificate
    try {
      read = readCertificate(certificate)
    } catch (error) {
      throw new Unauthenticated('malformed', { cause: error })
    }
    const [name = '', ...others] = read.commonNames
    const agentId = others.length === 0 ? idAfter(certificatePrefix, name) : undefined
    if (agentId === undefined) throw new Unauthenticated('subject')
    const expiresAt = new Date(read.certificate.validTo)
    if (expiresAt.getTime() <= (this.#options.clock ?? systemClock).wallMs()) throw new Unauthenticated('expired')
    return { agentId, by: 'certificate', expiresAt }
  }
}

function idAfter(prefix: string, text: string): string | undefined {
  if (!text.startsWith(prefix)) return undefined
  return agentIdSchema.safeParse(text.slice(prefix.length)).data
}
