import { randomInt, randomUUID } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { agent } from '@regent/contract/agent.ts'
import { apiPrefix, type CommandResource, type CreateCommand } from '@regent/contract/api.ts'
import { controlPlane } from '@regent/contract/control-plane.ts'
import { controlPlaneAudience } from '@regent/contract/names.ts'
import { type StartedProcess, startProcess } from '@regent/runtime/test/support/started-process.ts'
import { Proxy } from '../../agent/test/faults/proxy.ts'
import { agentPods, type AgentPod } from '../../agent/test/support/agent-pods.ts'
import { Etcd } from '../../control-plane/test/support/etcd.ts'
import { connection } from '../cluster/api-request.ts'
import { tokenOf } from '../cluster/service-account.ts'
import { waitFor } from '../cluster/wait-for.ts'
import { Balancer } from './balancer.ts'

const top = join(import.meta.dirname, '../..')
/** Lines of the log of each process that an error tells. */
const linesOfEach = 40

/** A pod of one of our programs, as a process with an address of its own. */
export interface Pod extends StartedProcess {
  readonly name: string
  readonly address: string
}

export interface ChainOptions {
  /** Pods of the control plane. @default 2 */
  readonly controlPlanes?: number
  /** @default 1 */
  readonly etcdMembers?: 1 | 3
  /** The agent's program. @default its own */
  readonly agentMain?: string
  /** What a control plane is started with before its own module, for tests that break it. @default nothing */
  readonly controlPlaneImport?: string
  /** Variables of the agents: timings, for instance. */
  readonly agentEnvironment?: Readonly<Record<string, string>>
}

/**
 * The whole chain with real parts: agents that elect a leader on a real API server, pods of the control plane before a
 * real etcd, and between them what stands for the Service. The environment `local` must have been applied.
 */
export class Chain {
  readonly etcd: Etcd
  readonly agents: Pod[] = []
  readonly controlPlanes: Pod[] = []
  readonly #options: ChainOptions
  readonly #folder: string
  readonly #pods: readonly AgentPod[]
  /** By agent: its way to the API server, and its way to the control plane. */
  readonly #ways: { readonly apiServer: Proxy; readonly controlPlane: Proxy }[] = []
  #agentsService: Balancer | undefined
  #apiService: Balancer | undefined
  #bearer = ''
  #renewal: NodeJS.Timeout | undefined
  #started = 0

  private constructor(etcd: Etcd, folder: string, pods: readonly AgentPod[], options: ChainOptions) {
    this.etcd = etcd
    this.#options = options
    this.#folder = folder
    this.#pods = pods
  }

  /** Starts everything and waits until an agent is registered. */
  static async start(options: ChainOptions = {}): Promise<Chain> {
    const folder = mkdtempSync(join(tmpdir(), 'regent-chain-'))
    const chain = new Chain(
      await Etcd.start({ members: options.etcdMembers ?? 1 }),
      folder,
      await agentPods(folder),
      options,
    )
    try {
      await chain.#start(options.controlPlanes ?? 2)
    } catch (error) {
      await chain.close()
      throw error
    }
    return chain
  }

  async #start(controlPlanes: number): Promise<void> {
    const behind = (port: number) => () =>
      this.controlPlanes.filter(isRunning).map(({ address }) => ({ host: address, port }))
    this.#agentsService = await Balancer.listen(behind(controlPlane.ports.agents.number))
    this.#apiService = await Balancer.listen(behind(controlPlane.ports.api.number))
    await this.#renewTokens()
    this.#renewal = setInterval(() => void this.#renewTokens(), renewTokensMs)
    for (let index = 0; index < controlPlanes; index += 1) await this.startControlPlane()
    for (const { api } of this.#pods) {
      this.#ways.push({
        apiServer: await Proxy.listen({ host: api.host, port: api.port }),
        controlPlane: await Proxy.listen({ host: '127.0.0.1', port: this.#agentsService.port }),
      })
    }
    for (let index = 0; index < this.#pods.length; index += 1) await this.startAgent(index)
  }

  /** The API through the Service, and a token of the administrator. */
  get api(): { readonly url: string; readonly bearer: string } {
    return { url: `http://127.0.0.1:${this.#apiService?.port ?? 0}`, bearer: this.#bearer }
  }

  /**
   * Lets an agent reach neither the API server nor the control plane, or both again. Nobody is told.
   *
   * @param from what it cannot reach
   */
  async cutOff(
    index: number,
    isCut: boolean,
    from: readonly ('apiServer' | 'controlPlane')[] = ['apiServer', 'controlPlane'],
  ): Promise<void> {
    const ways = this.#ways[index]
    if (ways === undefined) throw new Error(`there is no agent ${index}`)
    for (const way of from) await ways[way].set(isCut ? 'freeze' : 'pass')
  }

  /** Starts another pod of the control plane. */
  async startControlPlane(): Promise<Pod> {
    const name = `regent-control-plane-${(this.#started += 1)}`
    const { controlPlaneImport } = this.#options
    const address = loopbackAddress()
    const { server, authority } = await connection()
    const pod: Pod = {
      name,
      address,
      ...startProcess(join(top, 'control-plane/src/main.ts'), {
        POD_NAME: name,
        POD_UID: randomUUID(),
        REGION: 'local',
        PUBLIC_URL: 'http://127.0.0.1:8000',
        ETCD_ENDPOINTS: this.etcd.endpoints.join(','),
        KUBERNETES_SERVICE_HOST: server.hostname,
        KUBERNETES_SERVICE_PORT: server.port,
        KUBERNETES_TOKEN_FILE: join(this.#folder, 'own-token'),
        ...(authority !== undefined && { KUBERNETES_CA_FILE: authority.file }),
        LISTEN_ADDRESS: address,
        DRAIN_BUDGET_SECONDS: '5',
        ...(controlPlaneImport !== undefined && { NODE_OPTIONS: `--import=${controlPlaneImport}` }),
      }),
    }
    this.controlPlanes.splice(0, Infinity, ...this.controlPlanes.filter(isRunning), pod)
    await pod.said('started')
    await isReady(pod, controlPlane.ports.health.number)
    return pod
  }

  /** Starts the agent as one of its three pods, again if it ran before. */
  async startAgent(index: number): Promise<Pod> {
    const own = this.#pods[index]
    const ways = this.#ways[index]
    if (own === undefined || ways === undefined) throw new Error(`the agent has no pod ${index}`)
    const address = loopbackAddress()
    const pod: Pod = {
      name: own.name,
      address,
      ...startProcess(this.#options.agentMain ?? join(top, 'agent/src/main.ts'), {
        AGENT_ID: 'local',
        REPLICAS: String(this.#pods.length),
        REGION: 'local',
        CONTROL_PLANE_URL: `http://127.0.0.1:${ways.controlPlane.port}`,
        CONTROL_PLANE_TOKEN_FILE: this.#linkToken(own),
        NAMESPACE: 'regent-sessions',
        MAX_CPU: '4',
        MAX_MEMORY: '8Gi',
        ENABLE_HA: 'true',
        LISTEN_ADDRESS: address,
        KUBERNETES_SERVICE_HOST: ways.apiServer.host,
        KUBERNETES_SERVICE_PORT: String(ways.apiServer.port),
        KUBERNETES_TOKEN_FILE: own.api.tokenFile,
        KUBERNETES_CA_FILE: own.api.caFile,
        POD_NAME: own.name,
        POD_UID: own.uid,
        POD_NAMESPACE: 'regent-system',
        POD_IP: address,
        NODE_NAME: `node-${index}`,
        TMPDIR: this.#folder,
        ...this.#options.agentEnvironment,
      }),
    }
    this.agents[index] = pod
    await pod.said('started')
    await isReady(pod, agent.ports.health.number)
    return pod
  }

  /** The agent that is connected to the control plane. @throws with the last lines that everybody logged */
  async leader(): Promise<Pod> {
    const looked = waitFor('registered leader', async () => {
      const { health, fence } = (await this.ask('GET', '/agents/local')) as {
        health: string
        fence?: { holder: string }
      }
      const pod = this.agents.find(({ name }) => fence?.holder.startsWith(`${name}_`))
      return health === 'online' && pod !== undefined && isRunning(pod)
        ? pod
        : Promise.reject(new Error(`${health} ${fence?.holder ?? ''}`))
    })
    return looked.catch((error: unknown) => {
      throw new Error(`${String(error)}\n${this.#lastLines()}`, { cause: error })
    })
  }

  #lastLines(): string {
    return [...this.controlPlanes, ...this.agents]
      .filter(isRunning)
      .flatMap(({ name, lines }) => [name, ...lines.slice(-linesOfEach).map((line) => `  ${JSON.stringify(line)}`)])
      .join('\n')
  }

  /** Asks the API as the administrator. @throws with the problem, where it refuses */
  async ask(method: string, path: string, body?: unknown): Promise<unknown> {
    const { url, bearer } = this.api
    const response = await fetch(`${url}${apiPrefix}${path}`, {
      method,
      headers: {
        authorization: `Bearer ${bearer}`,
        connection: 'close',
        ...(body !== undefined && { 'content-type': 'application/json' }),
      },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    })
    const text = await response.text()
    if (!response.ok) throw new Error(`${response.status}: ${text}`)
    return text === '' ? undefined : JSON.parse(text)
  }

  async command(wanted: Partial<CreateCommand>): Promise<CommandResource> {
    return (await this.ask('POST', '/agents/local/commands', { action: 'describe', ...wanted })) as CommandResource
  }

  /** Waits until a command has ended. */
  async ended(commandId: string): Promise<CommandResource> {
    return waitFor(`end of ${commandId}`, async () => {
      const command = (await this.ask('GET', `/agents/local/commands/${commandId}`)) as CommandResource
      return command.finishedAt === undefined ? Promise.reject(new Error(command.state)) : command
    })
  }

  #linkToken({ name }: AgentPod): string {
    return join(this.#folder, `${name}-control-plane`)
  }

  /** Writes every token again, as kubelets do before one expires. */
  async #renewTokens(): Promise<void> {
    const audiences = [controlPlaneAudience]
    writeFileSync(join(this.#folder, 'own-token'), await tokenOf('regent-system', 'regent-control-plane'))
    this.#bearer = await tokenOf('regent-system', 'regent-admin', { audiences })
    for (const own of this.#pods) {
      const pod = { name: own.name, uid: own.uid }
      writeFileSync(own.api.tokenFile, await tokenOf('regent-system', 'regent-agent-local', { pod }))
      writeFileSync(this.#linkToken(own), await tokenOf('regent-system', 'regent-agent-local', { pod, audiences }))
    }
  }

  async close(): Promise<void> {
    clearInterval(this.#renewal)
    for (const { child, ended } of [...this.agents, ...this.controlPlanes]) {
      child.kill('SIGCONT')
      child.kill('SIGKILL')
      await ended
    }
    for (const { apiServer, controlPlane: way } of this.#ways) await Promise.all([apiServer.close(), way.close()])
    await this.#agentsService?.close()
    await this.#apiService?.close()
    await this.etcd.close()
    rmSync(this.#folder, { recursive: true, force: true })
  }
}

/** Tokens of the tests live for an hour. */
const renewTokensMs = 20 * 60_000
/** Longest that a hook of a test may take that applies the environment, or starts or ends the chain, in milliseconds. */
export const hooksMs = 180_000

function isRunning({ child }: Pod): boolean {
  return child.exitCode === null && child.signalCode === null
}

/** Every pod has a loopback address of its own, because the contract gives the ports. */
function loopbackAddress(): string {
  return `127.${randomInt(1, 255)}.${randomInt(1, 255)}.${randomInt(1, 255)}`
}

async function isReady({ address, name }: Pod, port: number): Promise<void> {
  await waitFor(`readiness of ${name}`, async () => {
    const response = await fetch(`http://${address}:${port}/readyz`, { headers: { connection: 'close' } })
    return response.status === 200 || Promise.reject(new Error(await response.text()))
  })
}
