import { CoreV1Api } from '@kubernetes/client-node'
import { connect, type Socket } from 'node:net'
import { setTimeout as pause } from 'node:timers/promises'
import type { ApiServer } from '../../src/election/api-server.ts'
import type { LeaderWork } from '../../src/election/leader-work.ts'
import { NotLeading, type Leadership } from '../../src/election/leadership.ts'
import { cancelledBy } from '../../src/kubernetes/cancelled-by.ts'
import { clientConfig } from '../../src/kubernetes/client.ts'
import { Fenced, fencedWrite } from '../../src/kubernetes/fenced-write.ts'
import { effectsName } from './names.ts'

/** Between two effects, in milliseconds. */
const effectEveryMs = 40
/** How long one write may take, in seconds: longer than any takeover, so that a late one is really sent. */
const writeSeconds = 30

export interface EffectsOptions {
  readonly api: ApiServer
  /** The namespace that the admission fence guards. */
  readonly namespace: string
  /** Port of the {@link Witness} on the loopback interface. */
  readonly witnessPort: number
  /** One line of the program's log. */
  readonly say: (event: string, fields: Readonly<Record<string, string | number>>) => void
}

/**
 * Work whose effects can be counted: as long as it leads, it changes a ConfigMap behind the admission fence, and
 * reports each change to the witness right after it was allowed to. It says when it ends. The change carries no resourceVersion: the test is
 * about the fence alone, and what comes late must not be refused for another reason.
 */
export class Effects implements LeaderWork {
  readonly name = 'effects'
  readonly #options: EffectsOptions
  readonly #api: CoreV1Api
  readonly #witness: Socket
  #count = 0

  constructor(options: EffectsOptions) {
    this.#options = options
    this.#api = clientConfig(options.api).makeApiClient(CoreV1Api)
    this.#witness = connect(options.witnessPort, '127.0.0.1')
    this.#witness.on('error', () => undefined)
    this.#witness.unref()
  }

  async lead(leadership: Leadership): Promise<void> {
    const over = AbortSignal.any([leadership.signal, leadership.draining])
    while (!over.aborted) {
      await this.#act(leadership)
      await pause(effectEveryMs, undefined, { signal: over }).catch(() => undefined)
    }
    this.#options.say('effects-ended', { epoch: leadership.epoch.toString() })
  }

  async #act(leadership: Leadership): Promise<void> {
    const { namespace, say } = this.#options
    const epoch = leadership.epoch.toString()
    this.#count += 1
    const count = String(this.#count)
    try {
      await fencedWrite(leadership, { countFenced: () => undefined }, (signal) => {
        // Between the assertion and this line nothing else runs.
        this.#witness.write(`${JSON.stringify({ epoch, holder: leadership.holder })}\n`)
        return this.#api.patchNamespacedConfigMap(
          { name: effectsName, namespace, body: [{ op: 'add', path: '/data', value: { epoch, count } }] },
          cancelledBy(signal, writeSeconds),
        )
      })
    } catch (error) {
      if (error instanceof NotLeading) return
      const message = error instanceof Error ? error.message : String(error)
      say(error instanceof Fenced ? 'effect-fenced' : 'effect-failed', { epoch, message })
    }
  }
}
