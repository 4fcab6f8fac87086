import { randomUUID } from 'node:crypto'
import { tmpdir } from 'node:os'
import { performance } from 'node:perf_hooks'
import { agent } from '@regent/contract/agent.ts'
import type { Environment } from '@regent/runtime/configuration/environment.ts'
import { type Configuration, readConfiguration } from './configuration/configuration.ts'
import { abortBudgetOf, apiServerOf, elect, leaseNameOf } from './elect.ts'
import type { LeaderWork } from './election/leader-work.ts'
import { accessOf } from './control-link/access.ts'
import { ControlLink } from './control-link/control-link.ts'
import { describeAction } from './control-link/describe/describe.ts'
import { livenessChecks, readinessChecks } from './health/checks.ts'
import { HealthServer } from '@regent/runtime/health/health-server.ts'
import { LeaderRecord } from './leader-record/leader-record.ts'
import { recordBoot } from './lifecycle/boots.ts'
import { exitCodes } from './lifecycle/exit-codes.ts'
import { handOver } from './lifecycle/hand-over.ts'
import type { Host } from '@regent/runtime/host.ts'
import { lockPod, podLockAddress, PodLocked } from './lifecycle/pod-lock.ts'
import { logElection } from './logging/election-log.ts'
import { type Running, runProgram } from '@regent/runtime/lifecycle/run-program.ts'
import type { Log, openLog } from '@regent/runtime/logging/log.ts'
import { AgentMetrics } from './metrics/agent-metrics.ts'

/** What the work of a leader is made from. */
export interface WorkContext {
  readonly configuration: Configuration
  readonly metrics: AgentMetrics
  readonly log: Log
}

export interface AgentOptions {
  readonly host: Host
  readonly environment: Environment
  /** What only the leader does. @default {@link leaderWorks} */
  readonly works?: (context: WorkContext) => readonly LeaderWork[]
  /** @default by the configuration: a Lease, or none */
  readonly elect?: typeof elect
  /** Opens the log. @default standard output */
  readonly openLog?: typeof openLog
  /** @default the system's folder for temporary files: the one that the contract lets the program write to */
  readonly scratchFolder?: string
  /** @default the contract's */
  readonly healthPort?: number
}

/** The work of a leader. Later capabilities add theirs here. */
export function leaderWorks(context: WorkContext): readonly LeaderWork[] {
  // Without election there is no Lease that an Event could be about.
  const records = context.configuration.leaderElection ? [leaderRecord(context)] : []
  return [...records, controlLink(context)]
}

function controlLink({ configuration, metrics, log }: WorkContext): LeaderWork {
  const { agentId, region, maxSessions, maxCpu, maxMemory, sessionNamespace } = configuration
  return new ControlLink({
    access: accessOf(configuration),
    registration: { agentId, region, capacity: { maxSessions, cpu: maxCpu, memory: maxMemory }, features: [] },
    actions: [
      describeAction(configuration, async () => {
        const { clusterView } = await import('./control-link/describe/cluster-view.ts')
        return clusterView(apiServerOf(configuration), sessionNamespace)
      }),
    ],
    metrics,
    log,
  })
}

function leaderRecord({ configuration, metrics, log }: WorkContext): LeaderWork {
  const [leaseName, leaseNamespace] = [leaseNameOf(configuration), configuration.podNamespace]
  return new LeaderRecord({
    leaseName,
    leaseNamespace,
    // The Kubernetes client takes a fifth of the memory of a replica, and standbys do not need it.
    connect: async () => {
      const { leaseEvents } = await import('./leader-record/lease-events.ts')
      return leaseEvents(apiServerOf(configuration), leaseName, leaseNamespace)
    },
    metrics,
    log,
  })
}

/**
 * Runs the agent: reads the configuration, takes the lock of the pod, opens the health port, and competes. It ends
 * the process by itself, with one of {@link exitCodes}; until then it resolves once everything has been started.
 */
export function runAgent(options: AgentOptions): Promise<void> {
  const { host, environment } = options
  const { agentId, podName } = agent.env
  return runProgram({
    host,
    environment,
    read: readConfiguration,
    always: { agent: environment[agentId.variable], pod: environment[podName.variable] },
    ...(options.openLog !== undefined && { openLog: options.openLog }),
    stopBudgetSeconds: (configuration) => configuration.drainBudgetSeconds + abortBudgetOf(configuration),
    start: (running) => start(options, running),
  })
}

async function start(options: AgentOptions, { configuration, log, stop }: Running<Configuration>): Promise<void> {
  const { host } = options
  const { agentId, podUid } = configuration
  try {
    await lockPod(podLockAddress(podUid))
  } catch (error) {
    if (!(error instanceof PodLocked)) throw error
    log.error('pod-locked', { error })
    host.exit(exitCodes.podLocked)
    return
  }
  const boot = recordBoot(options.scratchFolder ?? tmpdir(), podUid, Date.now())
  if (boot.unknown !== undefined) log.warn('boots-unknown', { error: boot.unknown as Error })

  const metrics = new AgentMetrics(agentId)
  const works = (options.works ?? leaderWorks)({ configuration, metrics, log })
  const election = (options.elect ?? elect)(configuration, works, {
    boot: randomUUID(),
    processStartedAtMs: Math.round(performance.timeOrigin),
    mayRetakeAtOnce: boot.mayRetakeAtOnce,
    ...(boot.previousStartMs !== undefined && { previousStartMs: boot.previousStartMs }),
  })
  for (const work of works) work.observe?.(election)
  metrics.observe(election)
  logElection(election, log)
  election.on('status', ({ role }) => {
    if (role !== 'stopped' || stop.isStopping) return
    log.error('election-ended', { message: 'this replica neither leads nor competes any more; the process ends' })
    host.exit(exitCodes.failed)
  })

  const health = new HealthServer({
    address: configuration.listenAddress,
    port: options.healthPort ?? agent.ports.health.number,
    liveness: () => [...livenessChecks(election), ...works.flatMap((work) => work.checks?.().liveness ?? [])],
    readiness: () => [
      ...readinessChecks(election, stop.isStopping),
      ...works.flatMap((work) => work.checks?.().readiness ?? []),
    ],
    metrics: { contentType: metrics.contentType, text: () => metrics.text() },
    onError: (error) => log.error('scrape-failed', { reason: String(error) }),
  })
  const port = await health.listen()
  // Told to stop before anything was begun: then there is nothing to hand over, and nothing is begun any more.
  if (stop.isStopping) return
  stop.guard(() => handOver(election, () => health.close(), log))
  election.start()
  log.info('started', {
    healthPort: port,
    leaderElection: configuration.leaderElection,
    replicas: configuration.replicas,
  })
}
