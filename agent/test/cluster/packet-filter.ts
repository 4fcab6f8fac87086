import { readlinkSync } from 'node:fs'
import { mustRun } from '../../../test/cluster/command-line.ts'
import { identityOf, isRunning, type Identity } from '../../../test/cluster/identity.ts'

/** What becomes of packets to a port. */
export type Verdict =
  /** All are answered with a reset: what stands is cut, what is new is refused. */
  | 'refuse'
  /** Those of connections that stand are answered with a reset. New ones are let through, and cut by their first data. */
  | 'cut'
  /** All are lost, and nobody is told. */
  | 'drop'

const rules: Readonly<Record<Verdict, readonly string[]>> = {
  refuse: ['-j', 'REJECT', '--reject-with', 'tcp-reset'],
  cut: ['!', '--syn', '-j', 'REJECT', '--reject-with', 'tcp-reset'],
  drop: ['-j', 'DROP'],
}

/** The kernel's packet filter in the network of one process, which must not be the network of the tests. */
export class PacketFilter {
  readonly #process: Identity
  readonly #port: number
  #verdict: Verdict | undefined

  /** @throws where the process has no network of its own */
  constructor(pid: number, port: number) {
    const networkOf = (of: string): string => readlinkSync(`/proc/${of}/ns/net`)
    if (networkOf(String(pid)) === networkOf('self')) {
      throw new Error(`process ${pid} is in the network of this machine, whose packet filter is not for tests`)
    }
    this.#process = identityOf(pid)
    this.#port = port
  }

  /** What happens from now on to packets that arrive for the port. */
  async set(verdict: Verdict): Promise<void> {
    await this.remove()
    this.#verdict = verdict
    await this.#change('-I', verdict)
  }

  /** Lets everything through again. The rules of a process that has ended go with its network. */
  async remove(): Promise<void> {
    const verdict = this.#verdict
    this.#verdict = undefined
    if (verdict !== undefined && isRunning(this.#process)) await this.#change('-D', verdict)
  }

  async #change(how: '-I' | '-D', verdict: Verdict): Promise<void> {
    const enter = ['nsenter', `--target=${this.#process.pid}`, '--net']
    const packets = ['-p', 'tcp', '--dport', String(this.#port)]
    await mustRun([...enter, 'iptables', '--wait', how, 'INPUT', ...packets, ...rules[verdict]])
  }
}
