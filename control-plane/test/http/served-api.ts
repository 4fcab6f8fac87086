import { mkdtempSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { performance } from 'node:perf_hooks'
import { type Role, roles } from '@regent/contract/api.ts'
import { controlPlane } from '@regent/contract/control-plane.ts'
import { declaredMetrics } from '@regent/runtime/metrics/declared-metrics.ts'
import { type RecordedLog, recordedLog } from '@regent/runtime/test/support/recorded-log.ts'
import { Registry } from 'prom-client'
import { AgentRegistry } from '../../src/agents/agent-registry.ts'
import { Commands, type CommandsOptions } from '../../src/commands/commands.ts'
import { HourlyLease } from '../../src/commands/hourly-lease.ts'
import { EventStreams, type EventStreamsOptions } from '../../src/http/event-streams.ts'
import { Gate, type GateOptions } from '../../src/http/gate.ts'
import { HttpApi, type HttpApiOptions } from '../../src/http/http-api.ts'
import { agentOperations } from '../../src/http/operations/agents.ts'
import { callerOperations } from '../../src/http/operations/callers.ts'
import { commandOperations } from '../../src/http/operations/commands.ts'
import { keyOperations } from '../../src/http/operations/keys.ts'
import { stateOperations } from '../../src/http/operations/state.ts'
import { StateExports, type StateExportsOptions } from '../../src/http/state-exports.ts'
import { AgentKeys } from '../../src/identity/agent-keys.ts'
import { People } from '../../src/identity/people.ts'
import { PeopleTokens } from '../../src/identity/people-tokens.ts'
import { StateImports, type StateImportsOptions } from '../../src/state/state-imports.ts'
import type { Store } from '../../src/store/store.ts'
import { Etcd, type EtcdOptions } from '../support/etcd.ts'
import { openStore } from '../support/store.ts'

export interface ServedApiOptions {
  readonly etcd?: EtcdOptions
  readonly gate?: Partial<GateOptions>
  readonly events?: Partial<EventStreamsOptions>
  readonly commands?: Partial<CommandsOptions>
  readonly exports?: Partial<StateExportsOptions>
  readonly imports?: Partial<StateImportsOptions>
  readonly api?: Partial<HttpApiOptions>
}

export interface Answer {
  readonly status: number
  readonly headers: Headers
  readonly text: string
  /** The body as JSON. Each test names what it relies on. */
  readonly body: never
}

export interface Asked {
  readonly token?: string | undefined
  /** Sent as JSON; a text as it is. */
  readonly body?: unknown
  readonly headers?: Readonly<Record<string, string>>
}

type Parts = Pick<
  ServedApi,
  'recorded' | 'registry' | 'etcd' | 'store' | 'tokens' | 'agents' | 'events' | 'exports' | 'imports' | 'url'
>

/** The API on a real port and a real etcd, with a token for each role. */
export class ServedApi {
  readonly recorded: RecordedLog
  readonly registry: Registry
  readonly etcd: Etcd
  readonly store: Store
  readonly tokens: Readonly<Record<Role, string>>
  readonly agents: AgentRegistry
  readonly events: EventStreams
  readonly exports: StateExports
  readonly imports: StateImports
  readonly url: string
  readonly #api: HttpApi

  private constructor(parts: Parts, api: HttpApi) {
    this.recorded = parts.recorded
    this.registry = parts.registry
    this.etcd = parts.etcd
    this.store = parts.store
    this.tokens = parts.tokens
    this.agents = parts.agents
    this.events = parts.events
    this.exports = parts.exports
    this.imports = parts.imports
    this.url = parts.url
    this.#api = api
  }

  static async start(options: ServedApiOptions = {}): Promise<ServedApi> {
    const recorded = recordedLog()
    const registry = new Registry()
    const etcd = await Etcd.start(options.etcd)
    const store = openStore(etcd)
    const peopleTokens = new PeopleTokens(store)
    const made = await Promise.all(
      roles.map(async (role) => {
        const { token } = await peopleTokens.create({
          name: `the ${role}`,
          role,
          by: 'the test',
          expiresInSeconds: 3600,
        })
        return [role, token] as const
      }),
    )
    const agents = new AgentRegistry(store)
    const lease = new HourlyLease(store)
    const commands = new Commands({ store, lease, mostOpen: 20, log: recorded.log, ...options.commands })
    const people = new People({ tokens: peopleTokens })
    const events = new EventStreams({ store, log: recorded.log, ...options.events })
    const exports = new StateExports({ store, from: 'http://127.0.0.1', log: recorded.log, ...options.exports })
    const imports = new StateImports({ store, lease, log: recorded.log, ...options.imports })
    const api = await HttpApi.create({
      operations: [
        ...agentOperations(agents, recorded.log),
        ...keyOperations(new AgentKeys(store)),
        ...commandOperations({ commands, agents }),
        ...callerOperations(peopleTokens, recorded.log),
        ...stateOperations(imports),
      ],
      events,
      exports,
      gate: new Gate({ people, now: () => performance.now(), ...options.gate }),
      log: recorded.log,
      metrics: declaredMetrics(controlPlane.metrics, registry),
      publicUrl: 'http://127.0.0.1',
      ...options.api,
    })
    const port = await api.listen({ address: '127.0.0.1', port: 0 })
    const tokens = Object.fromEntries(made) as Record<Role, string>
    const url = `${options.api?.tls === undefined ? 'http' : 'https'}://127.0.0.1:${port}`
    return new ServedApi({ recorded, registry, etcd, store, tokens, agents, events, exports, imports, url }, api)
  }

  get port(): number {
    return Number(new URL(this.url).port)
  }

  /** One request, as the administrator unless it says otherwise. */
  async ask(method: string, path: string, asked: Asked = {}): Promise<Answer> {
    const { body } = asked
    const token = 'token' in asked ? asked.token : this.tokens.admin
    const response = await fetch(`${this.url}${path}`, {
      method,
      headers: {
        ...(token !== undefined && { authorization: `Bearer ${token}` }),
        ...(body !== undefined && { 'content-type': 'application/json' }),
        ...asked.headers,
      },
      ...(body !== undefined && { body: typeof body === 'string' ? body : JSON.stringify(body) }),
    })
    const text = await response.text()
    const isJson = /[/+]json\b/.test(response.headers.get('content-type') ?? '')
    return {
      status: response.status,
      headers: response.headers,
      text,
      body: (isJson && text !== '' ? JSON.parse(text) : undefined) as never,
    }
  }

  /** What the audit log holds. */
  audit(): readonly Readonly<Record<string, unknown>>[] {
    return this.recorded.lines().filter(({ event }) => event === 'audit')
  }

  async close(): Promise<void> {
    await this.#api.close()
    this.store.close()
    await this.etcd.close()
  }
}

/** A folder for files of a test, and what removes it. */
export function scratchFolder(): { readonly folder: string; readonly remove: () => Promise<void> } {
  const folder = mkdtempSync(join(tmpdir(), 'regent-http-'))
  return { folder, remove: () => rm(folder, { recursive: true, force: true }) }
}
