import type { Check } from '@regent/runtime/health/check.ts'
import type { Election } from '../election/election.ts'
import type { LeaderWork } from '../election/leader-work.ts'
import type { Leadership } from '../election/leadership.ts'
import { orAborted } from './or-aborted.ts'
import { Probe } from './probe.ts'
import { Term, type TermMetrics, type TermOptions } from './term.ts'
import { defaultTiming, type LinkTiming, stalledAfterMs } from './timing.ts'

/** What the link counts, and who is asked for what it is now. */
export interface ControlLinkMetrics extends TermMetrics {
  /** Reads these at each scrape, and begins the counters of these actions at 0. */
  observeLink(link: { readonly isRegistered: boolean; readonly waiting: number }, actions: readonly string[]): void
}

export interface ControlLinkOptions extends Omit<
  TermOptions,
  'metrics' | 'timing' | 'verify' | 'onLink' | 'onUnreachable'
> {
  readonly metrics: ControlLinkMetrics
  /** @default {@link defaultTiming} */
  readonly timing?: LinkTiming
}

type ObservedElection = Pick<Election, 'on' | 'status' | 'verify' | 'reach' | 'link' | 'yield'>

/**
 * The leader's connection to the control plane: it alone registers, sends heartbeats and runs commands. Every replica
 * probes whether it could.
 *
 * Guaranteed: nothing is sent in the name of a leadership that is known to be over, and `lead` resolves only when no
 * command runs. While it is suspended the connection stays, but nothing runs and nothing but heartbeats is sent.
 *
 * Not guaranteed: that what was sent does not arrive after the next one leads, nor that a command runs only once. The
 * control plane refuses messages of older epochs, and effects are written so that they happen once.
 */
export class ControlLink implements LeaderWork {
  readonly name = 'control-link'
  readonly #options: ControlLinkOptions
  readonly #timing: LinkTiming
  readonly #probe: Probe
  #election: ObservedElection | undefined
  #term: Term | undefined
  #isLeading = false
  #isProbing = false

  constructor(options: ControlLinkOptions) {
    this.#options = options
    this.#timing = options.timing ?? defaultTiming
    this.#probe = new Probe({
      access: options.access,
      timing: this.#timing,
      onResult: (reaches) => this.#election?.reach(reaches),
      isProven: () => this.isRegistered,
      ...(options.random !== undefined && { random: options.random }),
    })
  }

  /** Whether this replica is registered. */
  get isRegistered(): boolean {
    return this.#term?.link.isRegistered ?? false
  }

  /** Commands that wait for another one of their target. */
  get waiting(): number {
    return this.#term?.waiting ?? 0
  }

  observe(election: ObservedElection): void {
    this.#election = election
    // A suspended leader learns only here that it is one no more: nothing of it runs that could be told to end.
    election.on('status', ({ role }) => {
      if (!this.#isLeading && role !== 'suspended' && role !== 'leading')
        this.#drop('this replica does not lead any more')
    })
  }

  /**
   * Begins to probe. It waits for nothing outside of this process: a control plane that is away makes no replica less
   * ready to lead.
   */
  prepare(signal: AbortSignal): Promise<void> {
    if (!this.#isProbing) {
      this.#isProbing = true
      const actions = this.#options.actions.map(({ action }) => action)
      this.#options.metrics.observeLink(this, actions)
      void this.#probe.run(signal)
    }
    return Promise.resolve()
  }

  async lead(leadership: Leadership): Promise<void> {
    const { signal, draining } = leadership
    this.#isLeading = true
    try {
      const term = this.#termOf(leadership)
      term.lead(leadership)
      const { promise: never } = Promise.withResolvers<never>()
      await orAborted(never, AbortSignal.any([signal, draining]))
      if (!signal.aborted) await term.drain()
      const maySoonGoOn = signal.aborted && signal.reason === 'suspended' && !draining.aborted
      if (!maySoonGoOn) this.#drop('this replica does not lead any more')
      await term.settle()
    } finally {
      this.#isLeading = false
    }
  }

  checks(): { readonly liveness: readonly Check[]; readonly readiness: readonly Check[] } {
    const { name } = this
    const silentMs = this.#term?.link.silentMs ?? 0
    const mostMs = stalledAfterMs(this.#timing)
    const hasStalled = silentMs > mostMs
    const link = this.#term?.link
    const { obstacle } = link ?? {}
    return {
      liveness: [
        {
          name,
          ok: !hasStalled,
          explanation: hasStalled
            ? `nothing was tried for ${Math.round(silentMs / 1000)} s although this leader is not registered, expected an attempt within ${mostMs / 1000} s; the kubelet restarts the container`
            : 'the link is tried when it should be',
        },
      ],
      // However it stands: a control plane that is away is no reason to take replicas out of service.
      readiness: [{ name, ok: true, explanation: obstacle ?? link?.explanation ?? this.#probe.explanation }],
    }
  }

  /** The term of this epoch: the one that was suspended, or a new one. */
  #termOf(leadership: Leadership): Term {
    const { epoch, lineage } = leadership
    if (this.#term?.epoch === epoch && this.#term.lineage === lineage) return this.#term
    this.#drop('another epoch began')
    const term = new Term(leadership, {
      ...this.#options,
      timing: this.#timing,
      verify: () => this.#election?.verify() ?? Promise.resolve(true),
      onLink: (state) => this.#election?.link(state),
      onUnreachable: (why) => this.#election?.yield(why),
    })
    this.#term = term
    return term
  }

  #drop(why: string): void {
    this.#term?.end(why)
    this.#term = undefined
  }
}
