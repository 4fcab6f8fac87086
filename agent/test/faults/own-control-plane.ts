import { readFileSync, rmSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { startCluster } from '../../../test/cluster/cluster.ts'
import { mustRun } from '../../../test/cluster/command-line.ts'
import { isRunning, signalProcess, type Identity } from '../../../test/cluster/identity.ts'
import { Journal } from '../../../test/cluster/journal.ts'
import { assertRunning, startProcess } from '../../../test/cluster/processes.ts'
import { STATE_VARIABLE, type ClusterState } from '../../../test/cluster/state.ts'
import { waitFor } from '../../../test/cluster/wait-for.ts'

type Part = 'etcd' | 'kube-apiserver'

/** An API server that ends more often than that has a reason of its own, which its log tells. */
const mostRestarts = 5

/**
 * A control plane that a test may break: the one of the level is everybody's. Start it before anything asks for the
 * cluster of the tests, which it becomes for this test file.
 */
export class OwnControlPlane {
  readonly #state: ClusterState
  readonly #journal: Journal
  readonly #remove: () => Promise<void>
  readonly #commands = new Map<Part, readonly string[]>()

  private constructor(state: ClusterState, remove: () => Promise<void>) {
    this.#state = state
    this.#journal = new Journal(state.folder)
    this.#remove = remove
    for (const part of ['etcd', 'kube-apiserver'] as const) {
      const command = readFileSync(`/proc/${this.#process(part).pid}/cmdline`, 'utf8')
        .split('\0')
        .slice(0, -1)
      this.#commands.set(part, command)
    }
  }

  static async start(): Promise<OwnControlPlane> {
    const started = await startCluster({ kind: 'api' }, () => undefined)
    process.env[STATE_VARIABLE] = started.stateFile
    return new OwnControlPlane(started.state, () => started.remove())
  }

  async kill(part: Part): Promise<void> {
    const found = this.#process(part)
    signalProcess(found, 'SIGKILL')
    await waitFor(`end of ${part}`, () => !isRunning(found), { seconds: 10, everyMilliseconds: 10 })
  }

  /** Starts a part that was killed with the command that it had. It does not wait until it answers. */
  restart(part: Part): void {
    startProcess(this.#journal, part, this.#commands.get(part) ?? [])
  }

  /**
   * Waits until the API server answers. One that ends is started again, as a kubelet does: an API server that starts gives
   * up where it cannot listen yet, or where etcd is slow.
   */
  async answers(): Promise<void> {
    const { folder, kubectl, kubeconfig } = this.#state
    let restarts = 0
    await waitFor(
      'API server',
      () => {
        if (!isRunning(this.#process('kube-apiserver')) && restarts < mostRestarts) {
          restarts += 1
          this.restart('kube-apiserver')
        }
        assertRunning(folder, 'kube-apiserver', this.#process('kube-apiserver'))
        return mustRun([kubectl, '--kubeconfig', kubeconfig, 'get', '--raw=/readyz'])
      },
      { seconds: 90, everyMilliseconds: 500 },
    )
  }

  /** Saves everything that etcd holds. Returns the file. */
  async snapshot(): Promise<string> {
    const file = join(this.#state.folder, 'snapshot.db')
    await mustRun([this.#state.etcdctl, `--endpoints=${this.#flag('listen-client-urls')}`, 'snapshot', 'save', file])
    return file
  }

  /**
   * Puts a snapshot in place of all that etcd holds, as after a disaster, and waits until the API server answers.
   *
   * @param bumpRevision by how much revisions are set forth, so that none of before comes back; 0 goes back in time
   */
  async restore(snapshot: string, bumpRevision: number): Promise<void> {
    await this.kill('kube-apiserver')
    await this.kill('etcd')
    const data = this.#flag('data-dir')
    rmSync(data, { recursive: true })
    await mustRun([
      join(dirname(this.#state.etcdctl), 'etcdutl'),
      ...['snapshot', 'restore', snapshot, '--name=default', `--data-dir=${data}`],
      `--initial-cluster=${this.#flag('initial-cluster')}`,
      `--initial-advertise-peer-urls=${this.#flag('initial-advertise-peer-urls')}`,
      ...(bumpRevision > 0 ? [`--bump-revision=${bumpRevision}`, '--mark-compacted'] : []),
    ])
    this.restart('etcd')
    this.restart('kube-apiserver')
    await this.answers()
  }

  remove(): Promise<void> {
    return this.#remove()
  }

  #process(part: Part): Identity {
    const found = this.#journal.entries().findLast((entry) => entry.kind === 'process' && entry.name === part)
    if (found?.kind !== 'process') throw new Error(`${part} was not started`)
    return found.process
  }

  #flag(name: string): string {
    const prefix = `--${name}=`
    const found = this.#commands.get('etcd')?.find((argument) => argument.startsWith(prefix))
    if (found === undefined) throw new Error(`etcd was started without ${prefix}`)
    return found.slice(prefix.length)
  }
}
