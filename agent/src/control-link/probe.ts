import { request as httpRequest } from 'node:http'
import { request as httpsRequest } from 'node:https'
import { setTimeout as pause } from 'node:timers/promises'
import { probePath } from '@regent/contract/messages.ts'
import { type ControlPlaneAccess, type Credentials, readCredentials } from './access.ts'
import type { LinkTiming } from './timing.ts'

export interface ProbeOptions {
  readonly access: ControlPlaneAccess
  readonly timing: Pick<LinkTiming, 'probeMs' | 'probeTimeoutMs'>
  /** Told what each probe came to. */
  readonly onResult: (reaches: boolean) => void
  /** Whether there is a better proof already: then nobody is asked, and it counts as success. */
  readonly isProven: () => boolean
  /** From 0 to 1, 1 excluded. @default Math.random */
  readonly random?: () => number
}

/**
 * Asks the control plane again and again whether it would take a registration of this agent: what a standby must know
 * so that a leader that does not reach it can tell whom to yield to. It uses the same address, certificate authority
 * and credential as a registration, and nothing of it lasts.
 */
export class Probe {
  readonly #options: ProbeOptions
  readonly #random: () => number
  /** What the last probe came to; nothing before the first has ended. */
  #result: { readonly reaches: boolean; readonly why: string } | undefined

  constructor(options: ProbeOptions) {
    this.#options = options
    this.#random = options.random ?? Math.random
  }

  /** What the last probe came to, in words. */
  get explanation(): string {
    if (this.#result === undefined) return 'its probe of the control plane has not ended yet'
    return this.#result.reaches
      ? 'its own probe of the control plane succeeds'
      : `its own probe of the control plane fails: ${this.#result.why}`
  }

  /** Probes until the signal is aborted. */
  async run(signal: AbortSignal): Promise<void> {
    const { timing, onResult, isProven } = this.#options
    while (!signal.aborted) {
      const why = isProven() ? undefined : await this.#probe(signal)
      this.#result = { reaches: why === undefined, why: why ?? '' }
      onResult(this.#result.reaches)
      // So that the replicas of a fleet do not ask together.
      const waitMs = timing.probeMs * (0.75 + this.#random() / 2)
      await pause(waitMs, undefined, { signal, ref: false }).catch(() => undefined)
    }
  }

  /** @returns why it did not succeed; nothing when it did */
  async #probe(signal: AbortSignal): Promise<string | undefined> {
    const { access, timing } = this.#options
    const late = AbortSignal.timeout(timing.probeTimeoutMs)
    try {
      const credentials = await readCredentials(access)
      const url = new URL(probePath, access.url)
      const status = await statusOf(url, credentials, AbortSignal.any([signal, late]))
      return status >= 200 && status < 300 ? undefined : `${url.origin} answered it with ${status}`
    } catch (error) {
      if (late.aborted) return `no answer within ${timing.probeTimeoutMs / 1000} s`
      return error instanceof Error ? error.message : String(error)
    }
  }
}

/** Status of the answer to a GET; the answer itself is not read. */
function statusOf(url: URL, { headers, ...certificates }: Credentials, signal: AbortSignal): Promise<number> {
  return new Promise((resolve, reject) => {
    const request = (url.protocol === 'https:' ? httpsRequest : httpRequest)(
      url,
      { ...certificates, headers: { ...headers, connection: 'close' }, agent: false, signal },
      (response) => {
        resolve(response.statusCode ?? 0)
        response.destroy()
      },
    )
    request.on('error', reject)
    request.end()
  })
}
