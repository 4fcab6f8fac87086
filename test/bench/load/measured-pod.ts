import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { randomInt, randomUUID } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { controlPlane } from '@regent/contract/control-plane.ts'
import { podEnvironment } from '../../../control-plane/test/support/pod-environment.ts'
import { waitFor } from '../../cluster/wait-for.ts'
import { scraped } from './scraped.ts'

const main = join(import.meta.dirname, '../../../control-plane/src/main.ts')

export interface MeasuredPodOptions {
  readonly etcdEndpoints: readonly string[]
  /** A folder for a CPU profile, which is written when the pod is stopped. @default none is taken */
  readonly profileFolder?: string | undefined
  /** The loopback address, to start a pod again in the place of another. @default one of its own */
  readonly address?: string
  /** @default those that the contract names */
  readonly variables?: Readonly<Record<string, string>>
}

/** A pod of the control plane as a process of its own, and what it costs. Its log is written, to nowhere. */
export class MeasuredPod {
  readonly address: string
  readonly #process: ReturnType<typeof spawn>
  readonly #remove: () => void

  private constructor(address: string, process: ReturnType<typeof spawn>, remove: () => void) {
    this.address = address
    this.#process = process
    this.#remove = remove
  }

  /** Starts it and waits until it is ready. */
  static async start(options: MeasuredPodOptions): Promise<MeasuredPod> {
    const address = options.address ?? `127.${randomInt(1, 255)}.${randomInt(1, 255)}.${randomInt(1, 255)}`
    const { environment, remove } = podEnvironment({
      POD_UID: randomUUID(),
      ETCD_ENDPOINTS: options.etcdEndpoints.join(','),
      LISTEN_ADDRESS: address,
      DRAIN_BUDGET_SECONDS: '0',
      ...options.variables,
    })
    const { profileFolder } = options
    const flags = profileFolder === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${profileFolder}`]
    const child = spawn(process.execPath, [...flags, main], {
      env: environment,
      stdio: ['ignore', 'ignore', 'inherit'],
    })
    process.once('exit', () => child.kill('SIGKILL'))
    const pod = new MeasuredPod(address, child, remove)
    await waitFor('readiness', async () => {
      if (child.exitCode !== null) throw new Error(`it ended with ${child.exitCode}`)
      const response = await pod.#ask('/readyz')
      return response.status === 200 || Promise.reject(new Error(await response.text()))
    })
    return pod
  }

  get pid(): number {
    const { pid } = this.#process
    if (pid === undefined) throw new Error('the pod was not started')
    return pid
  }

  /** Seconds of CPU that it has used, of all its threads. */
  get cpuSeconds(): number {
    return cpuSecondsOf(this.pid)
  }

  /** What of it is in memory, in MiB. */
  get residentMebibytes(): number {
    const [, kibibytes] = /^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${this.pid}/status`, 'utf8')) ?? []
    return Number(kibibytes) / 1024
  }

  /** The sum of a metric over all labels. */
  async metric(name: string): Promise<number> {
    return scraped(await (await this.#ask('/metrics')).text(), name)
  }

  /** Lets it end in good order. */
  async stop(): Promise<void> {
    await this.#end('SIGTERM')
  }

  async kill(): Promise<void> {
    await this.#end('SIGKILL')
  }

  async #end(signal: 'SIGTERM' | 'SIGKILL'): Promise<void> {
    this.#remove()
    if (this.#process.exitCode !== null || this.#process.signalCode !== null) return
    const ended = once(this.#process, 'exit')
    this.#process.kill(signal)
    await ended
  }

  #ask(path: string): Promise<Response> {
    return fetch(`http://${this.address}:${controlPlane.ports.health.number}${path}`, {
      headers: { connection: 'close' },
    })
  }
}

/** Seconds of CPU that a process has used. Linux counts them in hundredths. */
export function cpuSecondsOf(pid: number): number {
  const text = readFileSync(`/proc/${pid}/stat`, 'utf8')
  // The name in parentheses may hold anything.
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ')
  return (Number(fields[11]) + Number(fields[12])) / 100
}
