import { spawn, type ChildProcess } from 'node:child_process'
import { EventEmitter } from 'node:events'
import { appendFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { endWithUs } from '@regent/runtime/test/support/end-with-us.ts'
import type { Contestant, Place, Word } from './contestant.ts'
import type { Proxy } from './proxy.ts'

/** A word of a replica, and when the harness heard it, by its own clock, in milliseconds. */
export type Heard = Word & { readonly atMs: number }

export interface End {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  readonly atMs: number
}

/** Something that happened to a replica. */
export interface ReplicaEvents {
  heard: [Heard]
  line: [Readonly<Record<string, unknown>>]
  ended: [End]
}

/** One process of a contestant, with its own connections and its own faults. It can be started again. */
export class Replica extends EventEmitter<ReplicaEvents> {
  readonly place: Place
  /** Before the API server. */
  readonly apiProxy: Proxy
  /** Before its peer port. */
  readonly peerProxy: Proxy
  readonly #contestant: Contestant
  #heard: Heard[] = []
  #lines: Readonly<Record<string, unknown>>[] = []
  #process: ChildProcess | undefined
  #end: Promise<End> | undefined
  #startedAtMs = 0

  constructor(contestant: Contestant, place: Place, apiProxy: Proxy, peerProxy: Proxy) {
    super()
    this.setMaxListeners(0)
    this.place = place
    this.apiProxy = apiProxy
    this.peerProxy = peerProxy
    this.#contestant = contestant
  }

  get name(): string {
    return this.place.pod.name
  }

  get pid(): number {
    const pid = this.#process?.pid
    if (pid === undefined) throw new Error(`${this.name} does not run`)
    return pid
  }

  get isRunning(): boolean {
    return this.#process !== undefined && this.#process.exitCode === null && this.#process.signalCode === null
  }

  /** Whether it leads by its own last word, and can act. A process that is stopped cannot say that it stopped. */
  get believesToLead(): boolean {
    return this.isRunning && this.#heard.at(-1)?.event === 'leading'
  }

  /** Whether it said that its leadership is over, or its process is: its watchdog ends one that does not stop in time. */
  get hasStoppedLeading(): boolean {
    return !this.isRunning || this.#heard.some(({ event }) => event === 'ended')
  }

  /** What it said since it was started, oldest first. */
  get heard(): readonly Heard[] {
    return this.#heard
  }

  /** Lines of its log since it was started. */
  get lines(): readonly Readonly<Record<string, unknown>>[] {
    return this.#lines
  }

  get startedAtMs(): number {
    return this.#startedAtMs
  }

  /** Starts it, or starts it again as another container of the same pod would be. */
  async start(): Promise<void> {
    if (this.isRunning) throw new Error(`${this.name} runs already`)
    this.setClockStep(0)
    this.setBlock('main', 0)
    const { command, env } = await this.#contestant.start(this.place)
    const [file, ...args] = command
    this.#heard = []
    this.#lines = []
    this.#startedAtMs = performance.now()
    const child = spawn(file, args, {
      // Nothing of the tests' own environment: NODE_OPTIONS of jest would be theirs too.
      env: { PATH: process.env['PATH'] ?? '', HOME: this.place.folder, ...membership(), ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    this.#process = child
    endWithUs(child)
    this.#end = new Promise((resolve) => {
      child.once('close', (code, signal) => {
        const end = { code, signal, atMs: performance.now() }
        this.emit('ended', end)
        resolve(end)
      })
    })
    child.on('error', (error) => this.#note(`cannot start: ${error.message}`))
    createInterface({ input: child.stdout }).on('line', (line) => this.#hear(line))
    createInterface({ input: child.stderr }).on('line', (line) => this.#note(line))
  }

  /** Sends a signal. Returns when, by the clock of the harness. */
  signal(signal: NodeJS.Signals): number {
    this.#process?.kill(signal)
    return performance.now()
  }

  /** Ends it, if it runs, and waits until it is gone. */
  async kill(): Promise<End | undefined> {
    if (this.isRunning) this.signal('SIGKILL')
    return this.#end
  }

  /** How it ended. @throws after so many seconds */
  async ended(seconds: number): Promise<End> {
    if (this.#end === undefined) throw new Error(`${this.name} was never started`)
    return within(this.#end, seconds, () => `${this.name} still runs\n${this.tail}`)
  }

  /** Makes the wall clock of its process wrong by so many milliseconds from now on. */
  setClockStep(milliseconds: number): void {
    writeFileSync(join(this.place.folder, 'clock'), String(milliseconds))
  }

  /** Blocks one of its threads for so many milliseconds. */
  block(milliseconds: number, thread: 'main' | 'elector' = 'main'): number {
    this.setBlock(thread, milliseconds)
    return this.signal('SIGUSR2')
  }

  private setBlock(thread: 'main' | 'elector', milliseconds: number): void {
    writeFileSync(join(this.place.folder, 'block'), `${thread} ${milliseconds}`)
  }

  /** The end of what it printed, for the message of a test that failed. */
  get tail(): string {
    const lines = this.#lines.slice(-25).map((line) => JSON.stringify(line))
    return [`--- ${this.name}`, ...lines].join('\n')
  }

  #hear(text: string): void {
    const atMs = performance.now()
    const line = parsed(text)
    if (line === undefined) return this.#note(text)
    this.#lines.push(line)
    this.#log(text)
    this.emit('line', line)
    const word = this.#contestant.word(line)
    if (word === undefined) return
    const heard = { ...word, atMs }
    this.#heard.push(heard)
    this.emit('heard', heard)
  }

  #note(text: string): void {
    this.#lines.push({ stderr: text })
    this.#log(text)
  }

  #log(text: string): void {
    appendFileSync(join(this.place.folder, 'log'), `${text}\n`)
  }
}

/** The mark by which a killed run's processes are found and ended. */
function membership(): Record<string, string> {
  const id = process.env['REGENT_CLUSTER_MEMBER']
  return id === undefined ? {} : { REGENT_CLUSTER_MEMBER: id }
}

function parsed(text: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null ? { ...value } : undefined
  } catch {
    return undefined
  }
}

/** The promise, if it is settled in time. @throws with the description when it is not */
export async function within<T>(promise: Promise<T>, seconds: number, otherwise: () => string): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`not after ${seconds} s: ${otherwise()}`)), seconds * 1000)
  })
  try {
    return await Promise.race([promise, late])
  } finally {
    clearTimeout(timer)
  }
}
