import {
  closeCodes,
  type AgentMessage,
  commonProtocolVersion,
  protocolVersions,
  type ProtocolVersions,
} from '@regent/contract/messages.ts'
import {
  type AgentRecord,
  agentRecord,
  connectionRecord,
  fenceRecord,
  type FenceRecord,
  statusRecord,
} from '../agents/agent-records.ts'
import type { AgentIdentity } from '../identity/agent-identity.ts'
import { isLost, type Lost, StoreFull, StoreUnavailable } from '../store/errors.ts'
import type { Compare, KeyValue } from '../store/key-value.ts'
import { keys } from '../store/keys.ts'
import type { Lease } from '../store/lease.ts'
import type { Store } from '../store/store.ts'
import { admit, type Admission, type Leadership } from './admission.ts'
import { keyRightOf } from './stored-key.ts'

export type Registration = Extract<AgentMessage, { readonly type: 'register' }>

/** A connection that speaks for its agent, until another one registers. */
export interface Registered {
  readonly agentId: string
  readonly connectionId: string
  readonly epoch: bigint
  readonly holder: string
  /** What every write that this connection causes compares: it holds until somebody else registers. */
  readonly fence: { readonly key: string; readonly modRevision: bigint }
  readonly as: Extract<Admission, { readonly admitted: true }>['as']
  /** The version of the protocol that both speak. */
  readonly protocolVersion: number
  /** Until when the key counts with which the connection was opened, where it ends by itself. */
  readonly keyExpiresAt?: Date | undefined
}

/** Why a connection is closed instead. */
export interface Refused {
  readonly code: number
  readonly reason: string
  /** One word for metrics. */
  readonly outcome: 'credentials' | 'protocol' | 'pending' | 'rejected' | 'older' | 'other-holder' | 'other-lineage'
}

export interface RegistrationsOptions {
  readonly store: Pick<Store, 'transact'>
  readonly pod: { readonly name: string; readonly uid: string }
  /** @default the time of day */
  readonly now?: () => Date
}

/** What a registration is decided on. */
interface Stored {
  readonly agent: KeyValue | undefined
  readonly fence: KeyValue | undefined
  readonly key: KeyValue | undefined
}

/** How often a registration is tried again that another one got ahead of. */
const mostAttempts = 5

/**
 * Decides who speaks for an agent, in one transaction on the fence: whatever the order in which leaders arrive, at
 * whichever pods, the newest wins and stays.
 */
export class Registrations {
  readonly #options: RegistrationsOptions
  readonly #now: () => Date

  constructor(options: RegistrationsOptions) {
    this.#options = options
    this.#now = options.now ?? (() => new Date())
  }

  /**
   * Registers a connection.
   *
   * @param lease the lease of this pod: the connection is entered with it
   * @throws StoreUnavailable, StoreFull where it is not registered, or where that is not known: the agent must connect
   * again
   */
  async register(
    identity: AgentIdentity,
    message: Registration,
    connectionId: string,
    lease: Pick<Lease, 'id'>,
  ): Promise<Registered | Refused> {
    const protocolVersion = commonProtocolVersion(protocolVersions, spokenBy(message))
    if (protocolVersion === undefined) return otherProtocol(message)
    const refused = notOfCredentials(identity, message)
    if (refused !== undefined) return refused
    const spoken = { ...message, protocolVersion }
    let lost: Lost | undefined
    for (let attempt = 1; attempt <= mostAttempts; attempt += 1) {
      try {
        const outcome = await this.#attempt(identity, spoken, connectionId, lease, lost)
        if (outcome !== undefined) return outcome
      } catch (error) {
        // Read again: either it is written, or it was not and is tried again.
        if (!isLost(error)) throw error
        lost ??= error
      }
    }
    const others = `agent '${message.agentId}' was changed by others ${mostAttempts} times meanwhile`
    throw lost ?? new StoreUnavailable(others, { mayHaveHappened: false })
  }

  /**
   * One reading and one writing; nothing where somebody wrote in between.
   *
   * @param message with the protocol version that is spoken from now on
   * @param lost what came of a writing that may have taken place
   */
  async #attempt(
    identity: AgentIdentity,
    message: Registration,
    connectionId: string,
    lease: Pick<Lease, 'id'>,
    lost: Lost | undefined,
  ): Promise<Registered | Refused | undefined> {
    const { agentId } = message
    const stored = await this.#read(agentId, identity.keyId)
    const key = identity.keyId === undefined ? undefined : keyRightOf(stored.key, this.#now().getTime())
    if (key?.counts === false) return ofCredentials(key.why)
    const agent = stored.agent === undefined ? undefined : agentRecord.parse(stored.agent)
    const approval = agent?.approval ?? (identity.by === 'serviceAccount' ? 'approved' : 'pending')
    if (approval !== 'approved') {
      if (agent === undefined) {
        if (lost instanceof StoreFull) throw lost.withoutEffect
        await this.#enter(agentId, message)
      }
      return notApproved(approval)
    }
    const presented: Leadership = { lineage: message.lineage, epoch: BigInt(message.epoch), holder: message.holder }
    const fence = stored.fence === undefined ? undefined : fenceRecord.parse(stored.fence)
    const admission = admit(fence && { ...fence, epoch: BigInt(fence.epoch) }, presented)
    // Our own write, whose answer was lost.
    if (fence?.connectionId === connectionId && stored.fence !== undefined) {
      return registered(message, connectionId, stored.fence.modRevision, 'again', key?.expiresAt)
    }
    if (!admission.admitted) return fenced(admission.because, fence)
    if (lost instanceof StoreFull) throw lost.withoutEffect

    const { pod } = this.#options
    const at = this.#now().toISOString()
    const { epoch, holder, lineage } = message
    const isNew = admission.as !== 'again'
    const { succeeded, revision } = await this.#options.store.transact({
      when: [
        { key: keys.agent(agentId), modRevision: stored.agent?.modRevision ?? 0n },
        { key: keys.fence(agentId), modRevision: stored.fence?.modRevision ?? 0n },
        ...asRead(stored.key),
      ],
      then: [
        { put: keys.agent(agentId), value: agentRecord.serialize(described(agent, message, at)) },
        {
          put: keys.fence(agentId),
          value: fenceRecord.serialize({
            lineage,
            epoch,
            holder,
            connectionId,
            pod: pod.name,
            since: isNew || fence === undefined ? at : fence.since,
          }),
        },
        {
          put: keys.connection(agentId),
          value: connectionRecord.serialize({
            connectionId,
            pod: pod.name,
            podUid: pod.uid,
            holder,
            epoch,
            since: at,
          }),
          lease: lease.id,
        },
        {
          put: keys.status(agentId),
          value: statusRecord.serialize({ health: 'online', since: at, lastSeenAt: at }),
        },
      ],
    })
    return succeeded ? registered(message, connectionId, revision, admission.as, key?.expiresAt) : undefined
  }

  /** @param keyId the key that the connection was opened with */
  async #read(agentId: string, keyId: string | undefined): Promise<Stored> {
    const read = [keys.agent(agentId), keys.fence(agentId)]
    if (keyId !== undefined) read.push(keys.agentKey(agentId, keyId))
    const { results } = await this.#options.store.transact({ when: [], then: read.map((key) => ({ get: key })) })
    const [agent, fence, key] = results.map((result) => (result.kind === 'get' ? result.items[0] : undefined))
    return { agent, fence, key }
  }

  /** Enters an agent that nobody has decided on, so that an administrator sees it. */
  async #enter(agentId: string, message: Registration): Promise<void> {
    const value = agentRecord.serialize({
      ...described(undefined, message, this.#now().toISOString()),
      approval: 'pending',
    })
    await this.#options.store.transact({
      when: [{ key: keys.agent(agentId), exists: false }],
      then: [{ put: keys.agent(agentId), value }],
    })
  }
}

function otherProtocol(message: Registration): Refused {
  const [expected, got] = [protocolVersions, spokenBy(message)].map(inWords)
  return {
    code: closeCodes.protocolVersion,
    reason: `expected protocol version ${expected}, got ${got}; update the older side`,
    outcome: 'protocol',
  }
}

function notOfCredentials({ agentId, pod }: AgentIdentity, message: Registration): Refused | undefined {
  if (message.agentId !== agentId) return ofCredentials(`these credentials are of agent '${agentId}'`)
  if (pod !== undefined && !message.holder.startsWith(`${pod.name}_${pod.uid}_`)) {
    return ofCredentials('the holder is not in the pod that the token is bound to')
  }
  return undefined
}

function ofCredentials(reason: string): Refused {
  return { code: closeCodes.unauthenticated, reason, outcome: 'credentials' }
}

/** A key that is as it was read. */
function asRead(key: KeyValue | undefined): readonly Compare[] {
  return key === undefined ? [] : [{ key: key.key, modRevision: key.modRevision }]
}

function spokenBy({ protocolVersion: newest, oldestProtocolVersion: oldest = newest }: Registration): ProtocolVersions {
  return { oldest, newest }
}

function inWords({ oldest, newest }: ProtocolVersions): string {
  return oldest === newest ? String(newest) : `${oldest} to ${newest}`
}

/** The agent as it describes itself, with what was decided on it. */
function described(agent: AgentRecord | undefined, message: Registration, at: string): AgentRecord {
  const { region, protocolVersion, features, capacity } = message
  return {
    ...(agent ?? { approval: 'approved', decidedBy: 'its ServiceAccount', decidedAt: at, registeredAt: at }),
    region,
    protocolVersion,
    features,
    capacity,
  }
}

function notApproved(approval: 'pending' | 'rejected'): Refused {
  return {
    code: closeCodes.notApproved,
    reason: approval === 'pending' ? 'an administrator has yet to approve this agent' : 'this agent was rejected',
    outcome: approval,
  }
}

function fenced(because: Extract<Admission, { admitted: false }>['because'], fence: FenceRecord | undefined): Refused {
  const known = `epoch ${fence?.epoch ?? ''} of ${fence?.holder ?? 'nobody'}`
  return { code: closeCodes.fenced, reason: `${because}: ${known} is admitted`, outcome: because }
}

function registered(
  message: Registration,
  connectionId: string,
  modRevision: bigint,
  as: Registered['as'],
  keyExpiresAt: Date | undefined,
): Registered {
  const { agentId, epoch, holder, protocolVersion } = message
  const fence = { key: keys.fence(agentId), modRevision }
  return {
    agentId,
    connectionId,
    epoch: BigInt(epoch),
    holder,
    fence,
    as,
    protocolVersion,
    keyExpiresAt,
  }
}
