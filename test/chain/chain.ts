import { randomInt, randomUUID } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { agent } from '@regent/contract/agent.ts'
import { apiPrefix, type CommandResource, type CreateCommand } from '@regent/contract/api.ts'
import { controlPlane } from '@regent/contract/control-plane.ts'
import { controlPlaneAudience } from '@regent/contract/names.ts'
import { type StartedProcess, startProcess } from '@regent/runtime/test/support/started-process.ts'
import { agentPods, type AgentPod } from '../../agent/test/support/agent-pods.ts'
import { Etcd } from '../../control-plane/test/support/etcd.ts'
import { connection } from '../cluster/api-request.ts'
import { tokenOf } from '../cluster/service-account.ts'
import { waitFor } from '../cluster/wait-for.ts'
import { Balancer } from './balancer.ts'

const top = join(import.meta.dirname, '../..')

/** A pod of one of our programs, as a process with an address of its own. */
export interface Pod extends StartedProcess {
  readonly name: string
  readonly address: string
}

/**
 * The whole chain with real parts: agents that elect a leader on a real API server, pods of the control plane before a
 * real etcd, and between them what stands for the Service. The environment `local` must have been applied.
 */
export class Chain {
  readonly etcd: Etcd
  readonly agents: Pod[] = []
  readonly controlPlanes: Pod[] = []
  readonly #folder: string
  readonly #pods: readonly AgentPod[]
  #agentsService: Balancer | undefined
  #apiService: Balancer | undefined
  #bearer = ''

  private constructor(etcd: Etcd, folder: string, pods: readonly AgentPod[]) {
    this.etcd = etcd
    this.#folder = folder
    this.#pods = pods
  }

  /** Starts everything and waits until an agent is registered. */
  static async start(options: { readonly controlPlanes?: number; readonly etcdMembers?: 1 | 3 } = {}): Promise<Chain> {
    const folder = mkdtempSync(join(tmpdir(), 'regent-chain-'))
    const chain = new Chain(await Etcd.start({ members: options.etcdMembers ?? 1 }), folder, await agentPods(folder))
    const behind = (port: number) => () =>
      chain.controlPlanes.filter(({ child }) => child.exitCode === null).map(({ address }) => ({ host: address, port }))
    chain.#agentsService = await Balancer.listen(behind(controlPlane.ports.agents.number))
    chain.#apiService = await Balancer.listen(behind(controlPlane.ports.api.number))
    writeFileSync(join(folder, 'own-token'), await tokenOf('regent-system', 'regent-control-plane'))
    chain.#bearer = await tokenOf('regent-system', 'regent-admin', { audiences: [controlPlaneAudience] })
    for (let index = 0; index < (options.controlPlanes ?? 2); index += 1) await chain.startControlPlane()
    for (let index = 0; index < chain.#pods.length; index += 1) await chain.startAgent(index)
    return chain
  }

  /** URL of the API, through the Service. */
  get apiUrl(): string {
    return `http://127.0.0.1:${this.#apiService?.port ?? 0}`
  }

  /** Starts another pod of the control plane. */
  async startControlPlane(): Promise<Pod> {
    const name = `regent-control-plane-${this.controlPlanes.length}`
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
      }),
    }
    this.controlPlanes.push(pod)
    await pod.said('started')
    await isReady(pod, controlPlane.ports.health.number)
    return pod
  }

  /** Starts the agent as one of its three pods, again if it ran before. */
  async startAgent(index: number): Promise<Pod> {
    const own = this.#pods[index]
    if (own === undefined) throw new Error(`the agent has no pod ${index}`)
    const token = join(this.#folder, `${own.name}-control-plane`)
    const bound = { audiences: [controlPlaneAudience], pod: { name: own.name, uid: own.uid } }
    writeFileSync(token, await tokenOf('regent-system', 'regent-agent-local', bound))
    const address = loopbackAddress()
    const pod: Pod = {
      name: own.name,
      address,
      ...startProcess(join(top, 'agent/src/main.ts'), {
        AGENT_ID: 'local',
        REPLICAS: String(this.#pods.length),
        REGION: 'local',
        CONTROL_PLANE_URL: `http://127.0.0.1:${this.#agentsService?.port ?? 0}`,
        CONTROL_PLANE_TOKEN_FILE: token,
        NAMESPACE: 'regent-sessions',
        MAX_CPU: '4',
        MAX_MEMORY: '8Gi',
        ENABLE_HA: 'true',
        LISTEN_ADDRESS: address,
        KUBERNETES_SERVICE_HOST: own.api.host,
        KUBERNETES_SERVICE_PORT: String(own.api.port),
        KUBERNETES_TOKEN_FILE: own.api.tokenFile,
        KUBERNETES_CA_FILE: own.api.caFile,
        POD_NAME: own.name,
        POD_UID: own.uid,
        POD_NAMESPACE: 'regent-system',
        POD_IP: address,
        NODE_NAME: `node-${index}`,
        TMPDIR: this.#folder,
      }),
    }
    this.agents[index] = pod
    await pod.said('started')
    await isReady(pod, agent.ports.health.number)
    return pod
  }

  /** The agent that is connected to the control plane. */
  async leader(): Promise<Pod> {
    return waitFor('registered leader', async () => {
      const { health, fence } = (await this.ask('GET', '/agents/local')) as {
        health: string
        fence?: { holder: string }
      }
      const pod = this.agents.find(({ name, child }) => child.exitCode === null && fence?.holder.startsWith(`${name}_`))
      return health === 'online' && pod !== undefined
        ? pod
        : Promise.reject(new Error(`${health} ${fence?.holder ?? ''}`))
    })
  }

  /** Asks the API as the administrator. @throws with the problem, where it refuses */
  async ask(method: string, path: string, body?: unknown): Promise<unknown> {
    const response = await fetch(`${this.apiUrl}${apiPrefix}${path}`, {
      method,
      headers: {
        authorization: `Bearer ${this.#bearer}`,
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

  async close(): Promise<void> {
    for (const { child, ended } of [...this.agents, ...this.controlPlanes]) {
      child.kill('SIGCONT')
      child.kill('SIGKILL')
      await ended
    }
    await this.#agentsService?.close()
    await this.#apiService?.close()
    await this.etcd.close()
    rmSync(this.#folder, { recursive: true, force: true })
  }
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
