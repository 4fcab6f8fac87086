import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, openSync, readFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { type AddressInfo, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Proxy } from '../../../agent/test/faults/proxy.ts'
import { binary } from '../../../test/cluster/binaries.ts'
import { mustRun } from '../../../test/cluster/command-line.ts'
import { waitFor } from '../../../test/cluster/wait-for.ts'

/** The certificate of etcd, and the authority of those who may call it: paths. */
export interface EtcdTls {
  readonly caFile: string
  readonly certificateFile: string
  readonly keyFile: string
}

export interface EtcdOptions {
  /** @default 1 */
  readonly members?: 1 | 3
  /** Size of the database from which on writes are refused. @default etcd's own, 2 GiB */
  readonly quotaBytes?: number
  /** Serve TLS and ask callers for a certificate. @default plain HTTP */
  readonly tls?: EtcdTls
  /** Whether what is written is brought to the disk, which takes its time. @default false */
  readonly fsync?: boolean
}

/** One member: a process on ports of its own, which can be stopped, killed and started again on the same data. */
export class EtcdMember {
  readonly endpoint: string
  readonly #command: readonly string[]
  readonly #log: string
  #process: ChildProcess | undefined

  constructor(endpoint: string, command: readonly string[], log: string) {
    this.endpoint = endpoint
    this.#command = command
    this.#log = log
  }

  /** Starts the process; {@link Etcd.start} and {@link Etcd.ready} wait until it serves. */
  start(): void {
    const [file = '', ...args] = this.#command
    const log = openSync(this.#log, 'a')
    this.#process = spawn(file, args, { stdio: ['ignore', log, log] })
    closeSync(log)
    const { pid } = this.#process
    if (pid === undefined) throw new Error(`cannot start ${file}`)
    const endWithUs = (): boolean => process.kill(pid, 'SIGKILL')
    process.once('exit', endWithUs)
    this.#process.once('exit', () => process.off('exit', endWithUs))
  }

  /** SIGSTOP: connections stay open and nothing is answered. */
  freeze(): void {
    this.#process?.kill('SIGSTOP')
  }

  thaw(): void {
    this.#process?.kill('SIGCONT')
  }

  /** SIGKILL, and waits for the end. */
  async kill(): Promise<void> {
    const running = this.#process
    this.#process = undefined
    if (running === undefined || running.exitCode !== null || running.signalCode !== null) return
    const ended = once(running, 'exit')
    running.kill('SIGKILL')
    await ended
  }

  /** The end of what it logged. */
  get log(): string {
    return readFileSync(this.#log, 'utf8').split('\n').slice(-20).join('\n')
  }
}

/** A real etcd on loopback, in a folder of its own that goes with it. */
export class Etcd {
  readonly members: readonly EtcdMember[]
  readonly #folder: string
  readonly #tls: EtcdTls | undefined

  private constructor(folder: string, members: readonly EtcdMember[], tls: EtcdTls | undefined) {
    this.#folder = folder
    this.members = members
    this.#tls = tls
  }

  /** Starts all members and waits until they serve. */
  static async start({ members = 1, quotaBytes, tls, fsync = false }: EtcdOptions = {}): Promise<Etcd> {
    const program = await binary('etcd')
    const folder = await mkdtemp(join(tmpdir(), 'regent-etcd-'))
    const ports = await freePorts(2 * members)
    const scheme = tls === undefined ? 'http' : 'https'
    // A server is known by its name: TLS has no such thing as the name of an address.
    const host = tls === undefined ? '127.0.0.1' : 'localhost'
    const places = Array.from({ length: members }, (_, index) => ({
      name: `member-${index}`,
      listen: `${scheme}://127.0.0.1:${ports[2 * index] ?? 0}`,
      client: `${scheme}://${host}:${ports[2 * index] ?? 0}`,
      peer: `http://127.0.0.1:${ports[2 * index + 1] ?? 0}`,
    }))
    const cluster = places.map(({ name, peer }) => `${name}=${peer}`).join(',')
    const started = new Etcd(
      folder,
      places.map(({ name, listen, client, peer }) => {
        const command = [
          program,
          `--name=${name}`,
          `--data-dir=${join(folder, name)}`,
          `--listen-client-urls=${listen}`,
          `--advertise-client-urls=${client}`,
          `--listen-peer-urls=${peer}`,
          `--initial-advertise-peer-urls=${peer}`,
          `--initial-cluster=${cluster}`,
          `--initial-cluster-token=${folder}`,
          // What the kernel has survives the end of a process, which is all that happens here.
          ...(fsync ? [] : ['--unsafe-no-fsync']),
          ...(quotaBytes === undefined ? [] : [`--quota-backend-bytes=${quotaBytes}`]),
          ...(tls === undefined
            ? []
            : [
                '--client-cert-auth',
                `--trusted-ca-file=${tls.caFile}`,
                `--cert-file=${tls.certificateFile}`,
                `--key-file=${tls.keyFile}`,
              ]),
        ]
        return new EtcdMember(client, command, join(folder, `${name}.log`))
      }),
      tls,
    )
    for (const member of started.members) member.start()
    try {
      await started.ready()
    } catch (error) {
      const logs = started.members.map(({ log }) => log).join('\n')
      await started.close()
      throw new Error(`etcd does not start:\n${logs}`, { cause: error })
    }
    return started
  }

  get endpoints(): readonly string[] {
    return this.members.map(({ endpoint }) => endpoint)
  }

  /** The only member, or the first of them. */
  get member(): EtcdMember {
    const [first] = this.members
    if (first === undefined) throw new Error('etcd has no member')
    return first
  }

  /** Waits until every member answers a read that all of them agree on. */
  async ready(): Promise<void> {
    for (const { endpoint } of this.members) {
      await waitFor(`etcd at ${endpoint}`, () => this.#ctl(endpoint, ['get', 'nothing', '--command-timeout=2s']), {
        seconds: 60,
        everyMilliseconds: 50,
      })
    }
  }

  /** Runs etcdctl against the first member. @returns what it printed */
  async etcdctl(...args: readonly string[]): Promise<string> {
    return await this.#ctl(this.member.endpoint, args)
  }

  /** Ends every process and removes the folder. */
  async close(): Promise<void> {
    await Promise.all(this.members.map((member) => member.kill()))
    await rm(this.#folder, { recursive: true, force: true })
  }

  async #ctl(endpoint: string, args: readonly string[]): Promise<string> {
    const tls = this.#tls
    const files =
      tls === undefined ? [] : [`--cacert=${tls.caFile}`, `--cert=${tls.certificateFile}`, `--key=${tls.keyFile}`]
    return await mustRun([await binary('etcdctl'), `--endpoints=${endpoint}`, ...files, ...args])
  }
}

/** A proxy before the only member, that breaks connections as networks do. */
export async function proxyTo(etcd: Etcd): Promise<Proxy> {
  const { hostname, port } = new URL(etcd.member.endpoint)
  return await Proxy.listen({ host: hostname, port: Number(port) })
}

/** Ports that nobody listens on, held open together so that they differ. */
async function freePorts(count: number): Promise<readonly number[]> {
  const servers = Array.from({ length: count }, () => createServer().listen(0, '127.0.0.1'))
  await Promise.all(servers.map((server) => once(server, 'listening')))
  const ports = servers.map((server) => portOf(server.address()))
  await Promise.all(servers.map((server) => once(server.close(), 'close')))
  return ports
}

function portOf(address: AddressInfo | string | null): number {
  if (address === null || typeof address === 'string') throw new Error('a server without a port')
  return address.port
}
