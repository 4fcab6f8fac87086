import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir, userInfo } from 'node:os'
import { join } from 'node:path'
import { run, type Finished } from './command-line.ts'
import { isRunning, type Identity } from './identity.ts'
import { Journal } from './journal.ts'
import { waitFor } from './wait-for.ts'

/** A cluster whose start was begun by a process of its own. */
export interface BegunCluster {
  readonly folder: string
  readonly processes: readonly Identity[]
  /** Sends a signal to the process that starts it, and waits for that to end. */
  readonly interrupt: (signal: NodeJS.Signals) => Promise<void>
}

/**
 * `npm run cluster` with clusters of a place of its own, so that neither those of other runs on this machine nor a
 * person's have a part in a test.
 */
export class ClusterCommand {
  readonly #place = mkdtempSync(join(tmpdir(), 'regent-cleanup-'))
  readonly #starters = new Set<ChildProcess>()
  readonly root = join(this.#place, `regent-clusters-${userInfo().username}`)

  run(...args: string[]): Promise<Finished> {
    return run(this.#line(args), { env: this.#environment(), seconds: 120 })
  }

  /** Begins to start a cluster and returns when so many of its processes were started: before it is ready. */
  async begin(nodes: number, count: number): Promise<BegunCluster> {
    const [file = '', ...args] = this.#line(['up', '--nodes', String(nodes)])
    const starter = spawn(file, args, { env: this.#environment(), stdio: 'ignore' })
    this.#starters.add(starter)
    const folder = await waitFor('folder of the cluster', () => {
      const [name] = existsSync(this.root) ? readdirSync(this.root) : []
      return name !== undefined && join(this.root, name)
    })
    const processes = await waitFor('started processes', () => {
      const started = processesOf(folder)
      return started.length >= count && started
    })
    const interrupt = async (signal: NodeJS.Signals): Promise<void> => {
      starter.kill(signal)
      await once(starter, 'exit')
    }
    return { folder, processes, interrupt }
  }

  /** Ends and removes whatever a failed test left. */
  async dispose(): Promise<void> {
    for (const starter of this.#starters) starter.kill('SIGKILL')
    await waitFor('end of the starters', () => [...this.#starters].every((each) => each.exitCode ?? each.signalCode))
    await this.run('down')
    rmSync(this.#place, { recursive: true, force: true })
  }

  #line(args: readonly string[]): readonly string[] {
    return [process.execPath, join(import.meta.dirname, 'command.ts'), ...args]
  }

  #environment(): NodeJS.ProcessEnv {
    return { ...process.env, TMPDIR: this.#place }
  }
}

export function processesOf(folder: string): readonly Identity[] {
  return new Journal(folder).entries().flatMap((entry) => (entry.kind === 'process' ? [entry.process] : []))
}

export function running(processes: readonly Identity[]): readonly Identity[] {
  return processes.filter(isRunning)
}
