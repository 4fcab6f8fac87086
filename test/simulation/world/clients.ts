import type { ClientEvent } from '../../chain/history/history.ts'
import type { Pod } from './pod.ts'
import type { Surroundings } from './simulated-process.ts'

const targets = 4
/** A client gives an attempt up after so long, and asks again with the same key, in milliseconds. */
const patienceMs = 3000
const retryMs = 150

/** People who ask for commands, and ask again with the same key until they are answered. */
export class Clients {
  readonly events: ClientEvent[] = []
  readonly #world: Surroundings
  readonly #chosen: () => Pod | undefined
  #isOver = false
  #waiting = 0
  #asked = 0

  constructor(world: Surroundings, chosen: () => Pod | undefined, count: number) {
    this.#world = world
    this.#chosen = chosen
    for (let client = 0; client < count; client += 1) this.#next(client)
  }

  /** Nobody asks for anything new. */
  stop(): void {
    this.#isOver = true
  }

  /** Whether everybody was answered. */
  get areAnswered(): boolean {
    return this.#waiting === 0
  }

  #next(client: number): void {
    const { events, random } = this.#world
    events.after(30 + random() * 500, () => {
      if (this.#isOver) return
      const number = (this.#asked += 1)
      const key = `${client}-${number}`
      this.events.push({ kind: 'asked', key })
      this.#waiting += 1
      const target = `t-${Math.floor(random() * targets)}`
      // Most take effect at once, some work for a while, few are late before they are begun.
      const takesMs = random() < 0.7 ? 1 : Math.floor(random() * 1500)
      const deadlineSeconds = random() < 0.9 ? 600 : 1 + Math.floor(random() * 10)
      const wanted = { action: 'effect', target, payload: { target, takesMs }, deadlineSeconds }
      this.#ask(client, key, wanted)
    })
  }

  #ask(client: number, key: string, wanted: Parameters<Pod['create']>[0]): void {
    const { events, random } = this.#world
    const pod = this.#chosen()
    let isOver = false
    const once = (then: () => void) => (): void => {
      if (isOver) return
      isOver = true
      then()
    }
    const again = once(() => events.after(retryMs, () => this.#ask(client, key, wanted)))
    events.after(patienceMs, again)
    const process = pod?.process
    if (pod === undefined || process === undefined || !pod.way.carries) return
    process.main.deliver(pod.way.delayMs(), () => {
      pod.create(wanted, key).then(
        ({ commandId }) => {
          if (!process.isAlive) return
          const told = once(() => this.#answered(client, key, commandId))
          events.after(pod.way.delayMs(), () => {
            if (pod.way.carries && random() < 0.98) told()
          })
        },
        () => events.after(pod.way.delayMs(), again),
      )
    })
  }

  #answered(client: number, key: string, commandId: string): void {
    const { events, random } = this.#world
    this.events.push({ kind: 'promised', key, commandId })
    this.#waiting -= 1
    this.#next(client)
    if (random() >= 0.05) return
    events.after(random() * 3000, () => {
      const pod = this.#chosen()
      // Where it does not get through, it is not cancelled: nobody insists.
      pod?.process?.main.run(() => void pod.cancel(commandId).catch(() => undefined))
    })
  }
}
