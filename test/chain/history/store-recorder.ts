import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { mustRun } from '../../cluster/command-line.ts'
import { waitFor } from '../../cluster/wait-for.ts'
import type { StoreChange } from './history.ts'

const prefix = '/regent/v1/'
/** Written at the end, so that it is known that everything before it was seen. */
const endKey = '/regent/v1/end-of-history'

/** One line of `etcdctl watch --write-out json`. */
interface WatchLine {
  readonly Canceled?: boolean
  readonly Events?: readonly {
    /** 1: deleted. */
    readonly type?: number
    readonly kv: { readonly key: string; readonly mod_revision: number; readonly value?: string }
  }[]
}

/** Every change below Regent's prefix, as etcd's own client tells it. */
export class StoreRecorder {
  readonly changes: StoreChange[] = []
  readonly #child: ChildProcess
  readonly #command: readonly string[]
  #hasEnded = false
  #problem: string | undefined

  /** @param endpoints of every member, so that the watch goes on at another when one dies */
  constructor(etcdctl: string, endpoints: readonly string[]) {
    this.#command = [etcdctl, `--endpoints=${endpoints.join(',')}`]
    const [file = '', ...args] = this.#command
    const child = spawn(file, [...args, 'watch', '--prefix', prefix, '--rev=1', '--write-out=json'], {
      stdio: ['ignore', 'pipe', 'ignore'],
    })
    this.#child = child
    const endWithUs = (): boolean => child.kill('SIGKILL')
    process.once('exit', endWithUs)
    child.once('exit', () => process.off('exit', endWithUs))
    createInterface(child.stdout).on('line', (line) => this.#take(JSON.parse(line) as WatchLine))
  }

  /** Waits until everything that was written has been seen, and stops. @throws where the record is not whole */
  async finish(): Promise<readonly StoreChange[]> {
    // The member that is asked may be without a leader for a while after faults.
    await waitFor('end of the record to be written', () => mustRun([...this.#command, 'put', endKey, 'end']))
    await waitFor('end of the record of etcd', () => this.#hasEnded || Promise.reject(new Error('not yet')))
    const ended = once(this.#child, 'close')
    this.#child.kill('SIGKILL')
    await ended
    if (this.#problem !== undefined) throw new Error(this.#problem)
    return this.changes
  }

  #take({ Canceled: isCancelled, Events: events = [] }: WatchLine): void {
    if (isCancelled === true) this.#problem = 'etcd ended the record'
    for (const { type, kv } of events) {
      const key = Buffer.from(kv.key, 'base64').toString()
      if (key === endKey) this.#hasEnded = true
      else if (type === 1) this.changes.push({ revision: kv.mod_revision, key: key.slice(prefix.length) })
      else {
        const text = Buffer.from(kv.value ?? '', 'base64').toString()
        // Keys of the sweep hold no JSON.
        const value: unknown = text.startsWith('{') ? JSON.parse(text) : text
        this.changes.push({ revision: kv.mod_revision, key: key.slice(prefix.length), value })
      }
    }
  }
}
