import { setTimeout as pause } from 'node:timers/promises'
import { agent } from '@regent/contract/agent.ts'
import { controlPlane } from '@regent/contract/control-plane.ts'
import type { Chain, Pod } from './chain.ts'

/** Before an agent is started again that ended while it started, in milliseconds. */
const restartAgainMs = 1000

type Liveness = Pick<typeof agent.probes.liveness, 'path' | 'timeoutSeconds' | 'failureThreshold'>

/** What a kubelet saw of a pod. */
export interface Seen {
  readonly pod: string
  readonly what: 'ended' | 'not live'
  readonly why: string
}

export interface KubeletOptions {
  /** Start an agent again that has ended. @default it is only seen */
  readonly restarts?: boolean
  /** Between two probes of one pod, in milliseconds. @default 1000, ten times as often as the contract says */
  readonly everyMs?: number
}

/**
 * Stands for the kubelets of a chain: asks every pod whether it is live, as its contract says, and starts agents again
 * that have ended. It restarts without the pause of Kubernetes, and kills nobody: what it saw is for the test to judge.
 */
export class Kubelet {
  readonly seen: Seen[] = []
  /** Answers 200 of any pod. */
  probes = 0
  readonly #chain: Chain
  readonly #options: KubeletOptions
  readonly #stop = new AbortController()
  readonly #watching: readonly Promise<void>[]

  constructor(chain: Chain, options: KubeletOptions = {}) {
    this.#chain = chain
    this.#options = options
    this.#watching = chain.agents.map((_, index) => this.#watch(index))
  }

  /** Watches these pods of the control plane as well. */
  watchControlPlanes(pods: readonly Pod[]): void {
    for (const pod of pods) {
      void pod.ended.then(({ code }) => this.#saw({ pod: pod.name, what: 'ended', why: String(code) }))
      void this.#probe(pod, controlPlane.ports.health.number, controlPlane.probes.liveness)
    }
  }

  /** Restarts nobody any more, and waits for who is being started. */
  async stop(): Promise<void> {
    this.#stop.abort()
    await Promise.all(this.#watching)
  }

  async #watch(index: number): Promise<void> {
    const { signal } = this.#stop
    const stopped = new Promise<'stopped'>((resolve) => signal.addEventListener('abort', () => resolve('stopped')))
    while (!signal.aborted) {
      const pod = this.#chain.agents[index]
      if (pod === undefined) return
      void this.#probe(pod, agent.ports.health.number, agent.probes.liveness)
      const ended = await Promise.race([pod.ended, stopped])
      if (ended === 'stopped') return
      this.#saw({ pod: pod.name, what: 'ended', why: `${ended.code ?? pod.child.signalCode ?? ''}` })
      if (this.#options.restarts !== true) return
      // One that ends again before it has started is seen by the next round.
      await this.#chain.startAgent(index).catch(() => pause(restartAgainMs))
    }
  }

  /** Until it has ended. As to a kubelet, it is not live when so many probes in a row have failed as the contract says. */
  async #probe({ name, address, child }: Pod, port: number, probe: Liveness): Promise<void> {
    const { signal } = this.#stop
    const hasEnded = (): boolean => child.exitCode !== null || child.signalCode !== null
    let failures = 0
    while (!signal.aborted && !hasEnded()) {
      const why = await failureOf(`http://${address}:${port}${probe.path}`, probe.timeoutSeconds)
      if (why === undefined) {
        this.probes += 1
        failures = 0
      } else if (!hasEnded()) {
        failures += 1
        if (failures === probe.failureThreshold) this.#saw({ pod: name, what: 'not live', why })
      }
      await pause(this.#options.everyMs ?? 1000, undefined, { signal }).catch(() => undefined)
    }
  }

  #saw(seen: Seen): void {
    if (!this.#stop.signal.aborted) this.seen.push(seen)
  }
}

/** Why a probe failed; nothing where it succeeded. */
async function failureOf(url: string, timeoutSeconds: number): Promise<string | undefined> {
  try {
    const response = await fetch(url, {
      headers: { connection: 'close' },
      signal: AbortSignal.timeout(timeoutSeconds * 1000),
    })
    const text = await response.text()
    return response.ok ? undefined : text
  } catch (error) {
    return String(error)
  }
}
