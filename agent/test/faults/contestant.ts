import { get } from 'node:http'
import { join } from 'node:path'
import { agent } from '@regent/contract/agent.ts'
import type { ElectionTiming } from '@regent/contract/election.ts'
import { tool } from '../../../test/cluster/tools.ts'
import { bundled } from './program.ts'

/** One replica's place in the field: what it may use, and nobody else. */
export interface Place {
  readonly pod: { readonly name: string; readonly uid: string }
  readonly namespace: string
  readonly sessionNamespace: string
  readonly agentId: string
  readonly lease: string
  /** How many replicas the deployment has. */
  readonly replicas: number
  /** The API server, behind the replica's own proxy or not. */
  readonly apiServer: { readonly host: string; readonly port: number }
  readonly tokenFile: string
  readonly caFile: string
  /** A loopback address of its own, on which it listens. */
  readonly listenAddress: string
  /** The address at which others reach it: {@link listenAddress}, or that of a proxy before it. */
  readonly podAddress: string
  /** Scratch, its own. */
  readonly folder: string
}

/** A command that is started as one replica. */
export interface Start {
  readonly command: readonly [file: string, ...args: string[]]
  readonly env: Readonly<Record<string, string>>
}

/** What a replica says about itself. */
export type Word =
  | { readonly event: 'standby' }
  | { readonly event: 'leading'; readonly epoch: bigint; readonly reason: string }
  | { readonly event: 'ended'; readonly reason: string }

/** An elector that the faults are let loose on. */
export interface Contestant {
  readonly name: string
  readonly timing: ElectionTiming
  start(place: Place): Promise<Start>
  /** Whether a replica would take over now, or leads: synced and prepared. */
  isReady(place: Place): Promise<boolean>
  /** The word in a line of its standard output, if there is one. */
  word(line: Readonly<Record<string, unknown>>): Word | undefined
}

/** The timing of tests in which the figure is not the point. The shortest that leaves room for a busy machine. */
export const shortTiming: ElectionTiming = {
  leaseDurationSeconds: 4,
  renewDeadlineSeconds: 2,
  retryPeriodSeconds: 0.5,
  abortBudgetSeconds: 1,
}

/** For faults that must be over before the renew deadline is, also on a machine that does everything late. */
export const longerTiming: ElectionTiming = { ...shortTiming, leaseDurationSeconds: 8, renewDeadlineSeconds: 4 }

/** client-go's own elector, as its documentation shows it, at the three durations that it knows. */
export function clientGo(timing: Omit<ElectionTiming, 'abortBudgetSeconds'>): Contestant {
  const { leaseDurationSeconds, renewDeadlineSeconds, retryPeriodSeconds } = timing
  return {
    name: `client-go ${leaseDurationSeconds}/${renewDeadlineSeconds}/${retryPeriodSeconds}`,
    timing: { ...timing, abortBudgetSeconds: 0 },
    start: async (place) => ({
      command: [
        await tool('client-go'),
        `--server=https://${place.apiServer.host}:${place.apiServer.port}`,
        `--certificate-authority=${place.caFile}`,
        `--token-file=${place.tokenFile}`,
        `--namespace=${place.namespace}`,
        `--lease=${place.lease}`,
        `--identity=${place.pod.name}_${place.pod.uid}`,
        `--lease-duration=${leaseDurationSeconds}s`,
        `--renew-deadline=${renewDeadlineSeconds}s`,
        `--retry-period=${retryPeriodSeconds}s`,
      ],
      env: {},
    }),
    // It has nothing to prepare, and says nothing about it.
    isReady: () => Promise.resolve(true),
    word: ({ event, epoch }) => {
      if (event === 'standby') return { event }
      if (event === 'leading') return { event, epoch: BigInt(Number(epoch)), reason: '' }
      return event === 'lost' ? { event: 'ended', reason: '' } : undefined
    },
  }
}

export interface AgentOptions {
  readonly timing?: ElectionTiming
  /** @default on, as in the contract */
  readonly peerEvidence?: boolean
  /** @default off: nobody reports containers on a cluster without nodes */
  readonly podEvidence?: boolean
  /** With effects, the port of the witness: the agent then runs one more work. */
  readonly witnessPort?: number
  /** How long a graceful stop may take, in seconds. @default 5 */
  readonly drainBudgetSeconds?: number
  /** Whether faults inside of the process can be caused; they cost a little at its start. @default true */
  readonly inject?: boolean
}

const preload = join(import.meta.dirname, 'preload.ts')

/** Regent's agent, bundled as for its image and configured as by its manifests. */
export function regentAgent(options: AgentOptions = {}): Contestant {
  const timing = options.timing ?? shortTiming
  return {
    name: `regent ${timing.leaseDurationSeconds}/${timing.renewDeadlineSeconds}/${timing.retryPeriodSeconds}`,
    timing,
    start: async (place) => ({
      command: [
        process.execPath,
        await bundled(options.witnessPort === undefined ? '../../src/main.ts' : 'agent-with-effects.ts'),
      ],
      env: environmentOf(place, timing, options),
    }),
    isReady: ({ listenAddress }) => answersOk(`http://${listenAddress}:${agent.ports.health.number}/readyz`),
    word: ({ event, epoch, reason, role }) => {
      const why = typeof reason === 'string' ? reason : ''
      if (event === 'leading') return { event, epoch: BigInt(String(epoch)), reason: why }
      if (event === 'leadership-ended') return { event: 'ended', reason: why }
      return event === 'role-changed' && role === 'standby' ? { event: 'standby' } : undefined
    },
  }
}

function environmentOf(place: Place, timing: ElectionTiming, options: AgentOptions): Record<string, string> {
  return {
    AGENT_ID: place.agentId,
    REPLICAS: String(place.replicas),
    REGION: 'local',
    // Nobody listens there: this is about the election alone.
    CONTROL_PLANE_URL: 'http://127.0.0.1:9',
    CONTROL_PLANE_TOKEN_FILE: place.tokenFile,
    NAMESPACE: place.sessionNamespace,
    MAX_CPU: '4',
    MAX_MEMORY: '8Gi',
    ENABLE_HA: 'true',
    LEASE_DURATION_SECONDS: String(timing.leaseDurationSeconds),
    RENEW_DEADLINE_SECONDS: String(timing.renewDeadlineSeconds),
    RETRY_PERIOD_SECONDS: String(timing.retryPeriodSeconds),
    ABORT_BUDGET_SECONDS: String(timing.abortBudgetSeconds),
    DRAIN_BUDGET_SECONDS: String(options.drainBudgetSeconds ?? 5),
    PEER_EVIDENCE: String(options.peerEvidence ?? true),
    POD_EVIDENCE: String(options.podEvidence ?? false),
    LOG_LEVEL: 'debug',
    LISTEN_ADDRESS: place.listenAddress,
    KUBERNETES_SERVICE_HOST: place.apiServer.host,
    KUBERNETES_SERVICE_PORT: String(place.apiServer.port),
    KUBERNETES_TOKEN_FILE: place.tokenFile,
    KUBERNETES_CA_FILE: place.caFile,
    POD_NAME: place.pod.name,
    POD_UID: place.pod.uid,
    POD_NAMESPACE: place.namespace,
    POD_IP: place.podAddress,
    NODE_NAME: 'node-0',
    TMPDIR: place.folder,
    ...((options.inject ?? true) && {
      NODE_OPTIONS: `--import=${preload}`,
      FAULT_BLOCK_FILE: join(place.folder, 'block'),
      FAULT_CLOCK_FILE: join(place.folder, 'clock'),
    }),
    ...(options.witnessPort !== undefined && { WITNESS_PORT: String(options.witnessPort) }),
  }
}

/** Whether a URL is answered with 200. Nobody listening is an answer, too. */
function answersOk(url: string): Promise<boolean> {
  return new Promise((resolve) => {
    const asked = get(url, { timeout: 1000, agent: false }, (response) => {
      response.resume()
      resolve(response.statusCode === 200)
    })
    asked.on('timeout', () => asked.destroy(new Error('no answer')))
    asked.on('error', () => resolve(false))
  })
}
