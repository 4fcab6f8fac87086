import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PeopleTokens } from '../../../control-plane/src/identity/people-tokens.ts'
import type { Store } from '../../../control-plane/src/store/store.ts'
import { Etcd } from '../../../control-plane/test/support/etcd.ts'
import { openStore } from '../../../control-plane/test/support/store.ts'
import { type AgentsProcess, startAgents } from './agents-process.ts'
import { approveAgents } from './approved-agents.ts'
import { MeasuredPod } from './measured-pod.ts'

export interface CommandPlaceOptions {
  readonly agents: number
  /** Tokens of people: each may make a hundred requests a second. */
  readonly tokens: number
  readonly profileFolder?: string | undefined
}

type Parts = Pick<CommandPlace, 'etcd' | 'store' | 'pod' | 'agents' | 'agentIds' | 'tokens'>

/** An etcd that writes to the disk, one pod of the control plane, and agents that do what they are told in no time. */
export class CommandPlace {
  readonly etcd: Etcd
  readonly store: Store
  readonly pod: MeasuredPod
  readonly agents: AgentsProcess
  readonly agentIds: readonly string[]
  readonly tokens: readonly string[]
  readonly #folder: string

  private constructor(parts: Parts, folder: string) {
    this.etcd = parts.etcd
    this.store = parts.store
    this.pod = parts.pod
    this.agents = parts.agents
    this.agentIds = parts.agentIds
    this.tokens = parts.tokens
    this.#folder = folder
  }

  static async start({ agents, tokens, profileFolder }: CommandPlaceOptions): Promise<CommandPlace> {
    const etcd = await Etcd.start({ fsync: true })
    const store = openStore(etcd)
    const folder = mkdtempSync(join(tmpdir(), 'regent-bench-'))
    const agentIds = await approveAgents(store, folder, agents)
    const people = new PeopleTokens(store)
    const made: string[] = []
    for (let index = 0; index < tokens; index += 1) {
      const wanted = { name: `client ${index}`, role: 'operator', by: 'the benchmark', expiresInSeconds: 3600 } as const
      made.push((await people.create(wanted)).token)
    }
    const pod = await MeasuredPod.start({ etcdEndpoints: etcd.endpoints, profileFolder })
    const started = await startAgents({ address: pod.address, agentIds, folder })
    return new CommandPlace({ etcd, store, pod, agents: started, agentIds, tokens: made }, folder)
  }

  async close(): Promise<void> {
    await this.agents.kill()
    await this.pod.stop()
    this.store.close()
    await this.etcd.close()
    rmSync(this.#folder, { recursive: true, force: true })
  }
}
