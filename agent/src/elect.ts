import { filled, objectNames } from '@regent/contract/names.ts'
import { agent } from '@regent/contract/agent.ts'
import { electionProfiles } from '@regent/contract/election.ts'
import { isIPv6 } from 'node:net'
import type { Configuration } from './configuration/configuration.ts'
import type { ApiServer } from './election/api-server.ts'
import type { Election } from './election/election.ts'
import { type Identity, identityText } from './election/identity.ts'
import type { LeaderWork } from './election/leader-work.ts'
import { LeaseElection } from './election/lease-election.ts'
import { SoleReplica } from './election/sole-replica.ts'

/** Facts about this start of the program. */
export interface Start {
  /** A UUID of this start. */
  readonly boot: string
  /** When the process began, wall clock, in milliseconds. */
  readonly processStartedAtMs: number
  /** When the program started in this pod before, wall clock, in milliseconds; absent for the first time. */
  readonly previousStartMs?: number
  /** Whether this pod may take the Lease of its dead self at once: see `recordBoot`. */
  readonly mayRetakeAtOnce: boolean
}

/** How the API server is reached. */
export function apiServerOf(configuration: Configuration): ApiServer {
  const { kubernetesHost, kubernetesPort, kubernetesTokenFile, kubernetesCaFile } = configuration
  return {
    host: kubernetesHost,
    port: Number(kubernetesPort),
    tokenFile: kubernetesTokenFile,
    caFile: kubernetesCaFile,
  }
}

/** Name of the agent's Lease. */
export function leaseNameOf({ agentId }: Configuration): string {
  return filled(objectNames.agentLease, { agentId })
}

/**
 * The longest that work may take to end once it was told to, in seconds. Without election nobody waits for it to be
 * over; the default keeps a stop within what the manifests leave for the exit.
 */
export function abortBudgetOf({ leaderElection, abortBudgetSeconds }: Configuration): number {
  return leaderElection ? abortBudgetSeconds : electionProfiles.fast.abortBudgetSeconds
}

/** The election that the configuration asks for: by a Lease, or none because there is one replica. */
export function elect(configuration: Configuration, works: readonly LeaderWork[], start: Start): Election {
  const { podName, podUid, podNamespace, podIp, listenAddress, peerEvidence } = configuration
  const identity: Identity = { pod: podName, podUid, boot: start.boot }
  const { drainBudgetSeconds } = configuration
  if (!configuration.leaderElection) {
    const abortBudgetSeconds = abortBudgetOf(configuration)
    return new SoleReplica({ holder: identityText(identity), drainBudgetSeconds, abortBudgetSeconds }, works)
  }
  const port = agent.ports.peer.number
  return new LeaseElection(
    {
      machine: {
        identity,
        leaseName: leaseNameOf(configuration),
        leaseNamespace: podNamespace,
        timing: configuration,
        drainBudgetSeconds,
        node: configuration.nodeName,
        // Also without evidence: over its connections a leader knows which standbys could take over.
        peer: `${isIPv6(podIp) ? `[${podIp}]` : podIp}:${port}`,
        mayRetakeAtOnce: start.mayRetakeAtOnce,
      },
      agentId: configuration.agentId,
      api: apiServerOf(configuration),
      listen: { address: listenAddress, port },
      evidence: { peers: peerEvidence, pods: configuration.podEvidence },
      podSelector: `app.kubernetes.io/name=regent-agent,app.kubernetes.io/instance=${configuration.agentId}`,
      processStartedAtMs: start.processStartedAtMs,
      ...(start.previousStartMs !== undefined && { previousStartMs: start.previousStartMs }),
    },
    works,
  )
}
