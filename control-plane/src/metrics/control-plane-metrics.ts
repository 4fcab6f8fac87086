import { actions, unknownAction } from '@regent/contract/actions.ts'
import { controlPlane } from '@regent/contract/control-plane.ts'
import { declaredMetrics, type Instruments } from '@regent/runtime/metrics/declared-metrics.ts'
import { collectDefaultMetrics, Registry } from 'prom-client'
import type { Census } from '../census/census-record.ts'
import { fleetFiguresOf } from '../census/fleet-figures.ts'
import type { Health } from '../hub/agent-connection.ts'
import type { HubEvents } from '../hub/hub.ts'
import type { Refused, Registered } from '../hub/registrations.ts'

/** Every outcome of a registration, so that the first of its kind is an increase. */
const outcomes: readonly ('accepted' | Refused['outcome'])[] = [
  'accepted',
  'credentials',
  'protocol',
  'pending',
  'rejected',
  'older',
  'other-holder',
  'other-lineage',
]

/** How an accepted registration relates to the leadership before. */
const leaderships: readonly Registered['as'][] = ['first', 'newer', 'again']

const approvals = ['pending', 'approved', 'rejected'] as const

/** The gauge of each figure of the fleet that has no label. */
const figureGauges = [
  ['leaderless', 'fleetLeaderless'],
  ['longestLeaderlessSeconds', 'fleetLongestLeaderless'],
  ['fenceConflicts', 'fleetFenceConflicts'],
  ['openCommands', 'fleetOpenCommands'],
  ['oldestOpenCommandSeconds', 'fleetOldestOpenCommand'],
  ['unreadable', 'fleetUnreadable'],
  ['censusSeconds', 'fleetCensusDuration'],
] as const

/** What is read at the moment of a scrape. */
export interface Scraped {
  readonly health: Readonly<Record<Health, number>>
  readonly connections: number
  /** Commands that wait for an agent that is connected to this pod. */
  readonly queueDepth: number
  /** The newest census of all agents that this pod has heard of. */
  readonly census?: Census | undefined
}

/** The metrics of one process of the control plane, in the text format of Prometheus. */
export class ControlPlaneMetrics {
  readonly instruments: Instruments<typeof controlPlane.metrics>
  readonly contentType: string
  readonly #registry = new Registry()
  readonly #wallMs: () => number
  #observe: (() => Scraped) | undefined

  /** @param wallMs milliseconds since 1970 */
  constructor(wallMs: () => number = Date.now) {
    this.#wallMs = wallMs
    this.contentType = this.#registry.contentType
    this.instruments = declaredMetrics(controlPlane.metrics, this.#registry)
    collectDefaultMetrics({ register: this.#registry })
    for (const outcome of outcomes) this.instruments.registrations.inc({ outcome }, 0)
    for (const as of leaderships) this.instruments.leaderships.inc({ as }, 0)
    this.instruments.activeConnections.set({ kind: 'people' }, 0)
  }

  /** What the hub tells. */
  get hubEvents(): HubEvents {
    return {
      onRegistration: (outcome, as) => {
        this.instruments.registrations.inc({ outcome })
        if (as !== undefined) this.instruments.leaderships.inc({ as })
      },
      onFenced: (agent, reason) => this.instruments.fenced.inc({ agent, reason }),
    }
  }

  /** A request to etcd ended. */
  readonly observeStore = (request: string, outcome: string, seconds: number): void =>
    this.instruments.storeDuration.observe({ request, outcome }, seconds)

  /** A command ended. Which action it asked for is up to a client: one that is not of the contract gets no series. */
  readonly observeCommand = (asked: string, outcome: string, seconds: number): void => {
    const action = actions.includes(asked) ? asked : unknownAction
    this.instruments.commands.inc({ action, outcome })
    this.instruments.commandDuration.observe({ action }, seconds)
  }

  /** From now on there is something to read at a scrape. */
  observe(scraped: () => Scraped): void {
    this.#observe = scraped
  }

  async text(): Promise<string> {
    const scraped = this.#observe?.()
    if (scraped !== undefined) {
      const { agents, activeConnections, queueDepth } = this.instruments
      for (const [health, count] of Object.entries(scraped.health)) agents.set({ health }, count)
      activeConnections.set({ kind: 'agents' }, scraped.connections)
      queueDepth.set(scraped.queueDepth)
    }
    this.#setFleet(scraped?.census)
    return this.#registry.metrics()
  }

  /** What a census says. Without one that says something of now there is no figure: a 0 would be taken for the truth. */
  #setFleet(census: Census | undefined): void {
    const { fleetCensusTime, fleetAgents } = this.instruments
    fleetCensusTime.set(census === undefined ? 0 : Date.parse(census.takenAt) / 1000)
    const figures = census && fleetFiguresOf(census, this.#wallMs())
    for (const approval of approvals) {
      if (figures === undefined) fleetAgents.remove({ approval })
      else fleetAgents.set({ approval }, figures.agents[approval])
    }
    for (const [figure, instrument] of figureGauges) {
      const gauge = this.instruments[instrument]
      if (figures === undefined) gauge.remove()
      else gauge.set(figures[figure])
    }
  }
}
