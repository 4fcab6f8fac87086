import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { controlPlane } from '@regent/contract/control-plane.ts'
import { AgentRegistry } from '../../../control-plane/src/agents/agent-registry.ts'
import { AgentKeys } from '../../../control-plane/src/identity/agent-keys.ts'
import { PeopleTokens } from '../../../control-plane/src/identity/people-tokens.ts'
import type { Store } from '../../../control-plane/src/store/store.ts'
import { Etcd } from '../../../control-plane/test/support/etcd.ts'
import { openStore } from '../../../control-plane/test/support/store.ts'
import { MeasuredPod } from './measured-pod.ts'

export interface CommandPlaceOptions {
  readonly agents: number
  /** Tokens of people: each may make a hundred requests a second. */
  readonly tokens: number
  readonly profileFolder?: string | undefined
}

/** An etcd that writes to the disk, one pod of the control plane, and agents that do what they are told in no time. */
export class CommandPlace {
  readonly etcd: Etcd
  readonly store: Store
  readonly pod: MeasuredPod
  readonly agentIds: readonly string[]
  readonly tokens: readonly string[]
  readonly #agents: ChildProcess
  readonly #folder: string

  private constructor(parts: Pick<CommandPlace, 'etcd' | 'store' | 'pod' | 'agentIds' | 'tokens'>, folder: string) {
    this.etcd = parts.etcd
    this.store = parts.store
    this.pod = parts.pod
    this.agentIds = parts.agentIds
    this.tokens = parts.tokens
    this.#folder = folder
    const url = `http://${this.pod.address}:${controlPlane.ports.agents.number}`
    const named = this.agentIds.flatMap((agentId) => [agentId, join(folder, agentId)])
    this.#agents = spawn(process.execPath, [join(import.meta.dirname, 'light-agents.ts'), url, ...named], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    process.once('exit', () => this.#agents.kill('SIGKILL'))
  }

  static async start({ agents, tokens, profileFolder }: CommandPlaceOptions): Promise<CommandPlace> {
    const etcd = await Etcd.start({ fsync: true })
    const store = openStore(etcd)
    const folder = mkdtempSync(join(tmpdir(), 'regent-bench-'))
    const agentIds = Array.from({ length: agents }, (_, index) => `agent-${index}`)
    const [registry, keys, people] = [new AgentRegistry(store), new AgentKeys(store), new PeopleTokens(store)]
    for (const agentId of agentIds) {
      await registry.create(agentId, { approved: true, by: 'the benchmark' })
      writeFileSync(join(folder, agentId), (await keys.create(agentId, { by: 'the benchmark' })).key)
    }
    const made: string[] = []
    for (let index = 0; index < tokens; index += 1) {
      const wanted = { name: `client ${index}`, role: 'operator', by: 'the benchmark', expiresInSeconds: 3600 } as const
      made.push((await people.create(wanted)).token)
    }
    const pod = await MeasuredPod.start({ etcdEndpoints: etcd.endpoints, profileFolder })
    const place = new CommandPlace({ etcd, store, pod, agentIds, tokens: made }, folder)
    if (place.#agents.stdout === null) throw new Error('the agents have no output')
    for await (const line of createInterface(place.#agents.stdout)) if (line === 'registered') return place
    throw new Error('the agents did not register')
  }

  /** Process ID of the agents. */
  get agentsPid(): number {
    return this.#agents.pid ?? 0
  }

  async close(): Promise<void> {
    const ended = once(this.#agents, 'exit')
    this.#agents.kill('SIGKILL')
    await ended
    await this.pod.stop()
    this.store.close()
    await this.etcd.close()
    rmSync(this.#folder, { recursive: true, force: true })
  }
}
