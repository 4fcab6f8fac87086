import { agent } from '@regent/contract/agent.ts'
import { type TakeoverReason, takeoverReasons } from '@regent/contract/takeover.ts'
import { collectDefaultMetrics, Registry } from 'prom-client'
import type { ControlLinkMetrics } from '../control-link/control-link.ts'
import { attemptOutcomes } from '../control-link/link.ts'
import { outcomes } from '../control-link/outcome.ts'
import type { Election, ElectionEvents } from '../election/election.ts'
import type { EndReason } from '../election/leadership.ts'
import { declaredMetrics, type Instruments } from '@regent/runtime/metrics/declared-metrics.ts'

/** How often Node looks at the delay of its event loop: its own 10 ms would wake an idle standby 100 times a second. */
const eventLoopPrecisionMilliseconds = 100
/** What a free text must look like to become the value of a label: texts without bound would be series without bound. */
const labelValue = /^[a-z0-9][a-z0-9-]{0,39}$/
/** Reasons that a leadership of this replica may end with, beside those of takeovers. */
const endReasons: readonly (EndReason | 'released')[] = ['suspended', 'lost', 'drained', 'released']

/**
 * The metrics of one agent process, in the text format of Prometheus. Counters whose label values are known begin at
 * 0, so that the first event is an increase.
 *
 * Beside the declared ones it exports what is customary for a Node process (`process_*`, `nodejs_*`).
 */
export class AgentMetrics implements ControlLinkMetrics {
  readonly contentType: string
  readonly #registry = new Registry()
  readonly #instruments: Instruments<typeof agent.metrics>
  readonly #agent: string
  /** The election, once there is one: some values are read from it at the moment of a scrape. */
  #election: Pick<Election, 'status' | 'remainingSeconds'> | undefined
  /** The link to the control plane, once there is one. */
  #link: { readonly isRegistered: boolean; readonly waiting: number } | undefined
  #longestStallSeconds = 0

  constructor(agentId: string) {
    this.#agent = agentId
    this.contentType = this.#registry.contentType
    this.#instruments = declaredMetrics(agent.metrics, this.#registry)
    collectDefaultMetrics({ register: this.#registry, eventLoopMonitoringPrecision: eventLoopPrecisionMilliseconds })
    const { leaderTransitions, leadershipsLost, fenced, electionSlowpath, linkAttempts } = this.#instruments
    const reasons = Object.keys(takeoverReasons) as TakeoverReason[]
    for (const reason of reasons) leaderTransitions.inc({ agent: agentId, reason }, 0)
    for (const reason of [...reasons, ...endReasons]) leadershipsLost.inc({ agent: agentId, reason }, 0)
    for (const by of ['admission', 'control-plane']) fenced.inc({ agent: agentId, by }, 0)
    electionSlowpath.inc({ name: agentId }, 0)
    for (const outcome of attemptOutcomes) linkAttempts.inc({ agent: agentId, outcome }, 0)
  }

  /** Counts what happens in the election from now on. One election per process. */
  observe(election: Pick<Election, 'on' | 'status' | 'remainingSeconds'>): void {
    const { leaderTransitions, leadershipsLost, takeoverPhase, renewDuration, watchRestarts, electionSlowpath } =
      this.#instruments
    const agentId = this.#agent
    this.#election = election
    election.on('leading', ({ reason, phases }, { resumed }) => {
      if (resumed) return
      leaderTransitions.inc({ agent: agentId, reason })
      takeoverPhase.observe({ agent: agentId, phase: 'detected' }, phases.detected / 1000)
      takeoverPhase.observe({ agent: agentId, phase: 'acquired' }, phases.acquired / 1000)
    })
    election.on('ended', ({ reason }: ElectionEvents['ended'][0]) => leadershipsLost.inc({ agent: agentId, reason }))
    election.on('renewed', (seconds) => renewDuration.observe({ agent: agentId }, seconds))
    election.on('slowPath', () => electionSlowpath.inc({ name: agentId }))
    election.on('watchRestarted', (watch, reason) =>
      watchRestarts.inc({ agent: agentId, watch, reason: labelValue.test(reason) ? reason : 'other' }),
    )
    election.on('stalled', (seconds) => {
      this.#longestStallSeconds = Math.max(this.#longestStallSeconds, seconds)
    })
  }

  /** A fence refused an effect of this replica, or ended its link, because it no longer led. */
  countFenced(by: 'admission' | 'control-plane'): void {
    this.#instruments.fenced.inc({ agent: this.#agent, by })
  }

  /** Reads these of the link at each scrape. One link per process. */
  observeLink(link: { readonly isRegistered: boolean; readonly waiting: number }, actions: readonly string[]): void {
    this.#link = link
    for (const action of [...actions, 'unknown']) {
      for (const outcome of outcomes) this.#instruments.commands.inc({ agent: this.#agent, action, outcome }, 0)
    }
  }

  countLinkAttempt(outcome: (typeof attemptOutcomes)[number]): void {
    this.#instruments.linkAttempts.inc({ agent: this.#agent, outcome })
  }

  countCommand(action: string, outcome: (typeof outcomes)[number]): void {
    this.#instruments.commands.inc({ agent: this.#agent, action, outcome })
  }

  observePhase(phase: 'registered' | 'first-command', seconds: number): void {
    this.#instruments.takeoverPhase.observe({ agent: this.#agent, phase }, seconds)
  }

  /** Everything as a scrape reads it. The longest stall begins anew with each. */
  async text(): Promise<string> {
    const { isLeader, electionStatus, epoch, leaseRemaining, eventLoopStall } = this.#instruments
    const { linkConnected, commandsWaiting } = this.#instruments
    const status = this.#election?.status
    const remainingSeconds = this.#election?.remainingSeconds ?? 0
    // A draining leader still leads and acts. Its role lasts until it could give the Lease back; its time may be over
    // long before.
    const hasRole = status?.role === 'leading' || status?.role === 'draining'
    const leads = hasRole && remainingSeconds > 0 ? 1 : 0
    isLeader.set({ agent: this.#agent }, leads)
    electionStatus.set({ name: this.#agent }, leads)
    epoch.set({ agent: this.#agent }, Number(status?.epoch ?? 0n))
    leaseRemaining.set({ agent: this.#agent }, remainingSeconds)
    eventLoopStall.set({ agent: this.#agent }, this.#longestStallSeconds)
    this.#longestStallSeconds = 0
    linkConnected.set({ agent: this.#agent }, this.#link?.isRegistered === true ? 1 : 0)
    commandsWaiting.set({ agent: this.#agent }, this.#link?.waiting ?? 0)
    return this.#registry.metrics()
  }
}
