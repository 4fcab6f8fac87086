import { EventEmitter } from 'node:events'
import { ApiConnection, type ApiAnswer, type ApiServer } from './api-server.ts'
import { Backoff, rewatchBackoff } from './backoff.ts'
import { systemClock, type Clock } from './clock.ts'
import { at, textAt } from './json.ts'
import { parsePod, type Pod } from './pods.ts'
import { Watch, type WatchEnd } from './watch.ts'

export interface PodsWatchOptions {
  readonly namespace: string
  /** What the agent's own pods have in common. */
  readonly labelSelector: string
  /** How long one page of the list may take, in seconds. @default 5 */
  readonly listSeconds?: number
  /** How long to wait after a refusal that only a person can mend, in seconds. @default 30 */
  readonly forbiddenSeconds?: number
  /** From 0 to 1, 1 excluded. @default Math.random */
  readonly random?: () => number
  /** @default the system's */
  readonly clock?: Clock
}

export interface PodsWatchEvents {
  /** The pods were listed, or one of them is another than before. */
  changed: []
  /** What keeps the pods from being known, in words that say what to do; `undefined` when nothing does any more. */
  obstacle: [string | undefined]
  /** The pods are watched or listed again, for this reason. */
  restarted: [reason: WatchEnd['reason']]
}

/** Pods per page: what evicted pods leave behind may be many, and an answer is bounded. */
const pageSize = 50
/** More pages than this of one agent's pods are not read. */
const maxPages = 40
const maxAnswerBytes = 4 * 1024 * 1024

/**
 * The pods of this agent, kept up to date: listed once, then watched, and again from the start only when the API
 * server has forgotten where we were. It needs `list` and `watch`, and uses connections of its own.
 *
 * Not guaranteed: that what it knows is current. The kubelet reports after a second or two, a watch may be behind, and
 * while there is an obstacle the pods are those of before.
 */
export class PodsWatch extends EventEmitter<PodsWatchEvents> {
  readonly #options: PodsWatchOptions
  readonly #connection: ApiConnection
  readonly #watch: Watch
  readonly #backoff: Backoff
  readonly #clock: Clock
  readonly #path: string
  #pods: ReadonlyMap<string, Pod> = new Map()
  #isSynced = false
  #isClosed = false
  #obstacle: string | undefined
  #next: NodeJS.Timeout | undefined

  constructor(api: ApiServer, options: PodsWatchOptions) {
    super()
    const { namespace, labelSelector, random = Math.random, clock = systemClock } = options
    this.#options = options
    this.#clock = clock
    this.#path = `/api/v1/namespaces/${encodeURIComponent(namespace)}/pods`
    this.#connection = new ApiConnection(api, { clock, maxAnswerBytes })
    this.#watch = new Watch(api, { path: this.#path, labelSelector, random, clock })
    this.#backoff = new Backoff({ ...rewatchBackoff, random })
    this.#watch.on('answered', () => this.#backoff.began(this.#clock.now().monotonicMs))
    this.#watch.on('answered', () => this.#report(undefined))
    this.#watch.on('event', ({ type, object }) => this.#take(type, object))
    this.#watch.on('ended', (end) => this.#restart(end))
  }

  /** Whether the pods were listed at least once. */
  get isSynced(): boolean {
    return this.#isSynced
  }

  /** The pods as they are known, in no order. */
  get pods(): readonly Pod[] {
    return [...this.#pods.values()]
  }

  /** What keeps the pods from being known, if anything does. */
  get obstacle(): string | undefined {
    return this.#obstacle
  }

  /** Begins. Call it once. */
  start(): void {
    void this.#list()
  }

  /** Ends for good, without another event. */
  close(): void {
    this.#isClosed = true
    clearTimeout(this.#next)
    this.#watch.close()
    this.#connection.close()
  }

  async #list(): Promise<void> {
    const pods = new Map<string, Pod>()
    let from = ''
    for (let page = 0; page < maxPages; page++) {
      const answer = await this.#page(from)
      if (this.#isClosed) return
      if (answer.kind === 'failure' || answer.status !== 200) {
        this.#restart(endOf(answer))
        return
      }
      const items = at(answer.body, 'items')
      const version = textAt(answer.body, 'metadata', 'resourceVersion')
      if (!Array.isArray(items) || version === undefined) {
        this.#restart({ reason: 'error', why: 'a list of pods without items or resourceVersion' })
        return
      }
      for (const pod of items.map(parsePod)) if (pod !== undefined) pods.set(pod.uid, pod)
      from = textAt(answer.body, 'metadata', 'continue') ?? ''
      if (from !== '') continue
      this.#pods = pods
      this.#isSynced = true
      this.#watch.start(version)
      this.emit('changed')
      return
    }
    const why = `more than ${maxPages * pageSize} pods are selected by ${this.#options.labelSelector}; remove the ended ones`
    this.#restart({ reason: 'error', why })
  }

  #page(from: string): Promise<ApiAnswer> {
    const { labelSelector, listSeconds = 5 } = this.#options
    const query = new URLSearchParams({
      labelSelector,
      limit: String(pageSize),
      ...(from !== '' && { continue: from }),
    })
    return this.#connection.request({
      method: 'GET',
      path: `${this.#path}?${query.toString()}`,
      timeoutSeconds: listSeconds,
    })
  }

  #take(type: 'ADDED' | 'MODIFIED' | 'DELETED', object: unknown): void {
    const pod = parsePod(object)
    if (pod === undefined) return
    const pods = new Map(this.#pods)
    if (type === 'DELETED') pods.delete(pod.uid)
    else pods.set(pod.uid, pod)
    this.#pods = pods
    this.emit('changed')
  }

  #restart(end: WatchEnd): void {
    const { forbiddenSeconds = 30 } = this.#options
    const isForbidden = end.reason === 'forbidden'
    const delayMs = this.#backoff.nextDelayMs(this.#clock.now().monotonicMs)
    const { resourceVersion } = this.#watch
    // Everything but an end as agreed, or a cut, may have to do with the version: a list says what is true.
    const goesOn = (end.reason === 'timeout' || end.reason === 'reset') && resourceVersion !== undefined
    this.#next = setTimeout(
      () => {
        if (goesOn) this.#watch.start(resourceVersion)
        else void this.#list()
      },
      isForbidden ? forbiddenSeconds * 1000 : delayMs,
    )
    if (isForbidden) {
      this.#report(`${end.why}; the agent's Role must allow list and watch of pods, or switch pod evidence off`)
    } else if (end.reason === 'error' || end.reason === 'unauthorized') {
      this.#report(`the pods are not known: ${end.why}`)
    }
    this.emit('restarted', end.reason)
  }

  #report(obstacle: string | undefined): void {
    if (obstacle === this.#obstacle) return
    this.#obstacle = obstacle
    this.emit('obstacle', obstacle)
  }
}

/** A list that was not answered, in the words of a watch that ended. */
function endOf(answer: ApiAnswer): WatchEnd {
  if (answer.kind === 'failure') return { reason: 'error', why: answer.why }
  const { status, body } = answer
  const why = textAt(body, 'message') ?? `status ${status}`
  const reasons = { 401: 'unauthorized', 403: 'forbidden', 410: 'gone' } as const
  return { reason: status in reasons ? reasons[status as keyof typeof reasons] : 'error', status, why }
}
