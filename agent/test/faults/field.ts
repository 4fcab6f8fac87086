import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { apiRequest, connection } from '../../../test/cluster/api-request.ts'
import { apply, kubectl } from '../../../test/cluster/kubectl.ts'
import { keepLeaseParameters } from '../../../test/cluster/lease-parameters.ts'
import { createNamespace, deleteNamespace } from '../../../test/cluster/namespace.ts'
import { tokenOf } from '../../../test/cluster/service-account.ts'
import { cluster } from '../../../test/cluster/state.ts'
import { waitFor } from '../../../test/cluster/wait-for.ts'
import type { Contestant, Place } from './contestant.ts'
import { leaseOf, type Lease } from './lease.ts'
import { agentManifests, committedAgent, type Manifest } from './manifests.ts'
import { effectsName } from './names.ts'
import { Proxy } from './proxy.ts'
import { Replica } from './replica.ts'

/** The port at which a leader answers its standbys, by the contract. */
const peerPort = 8081

export interface FieldOptions {
  readonly replicas?: number
  /** Whether a proxy that can break connections is before each replica's API server. @default true */
  readonly apiProxied?: boolean
  /**
   * Whether a proxy is before each replica's peer port. It accepts before it knows whether the replica does: a death
   * behind it never looks like one.
   * @default false
   */
  readonly peerProxied?: boolean
  /** Another deployment of the same agent: the same Lease, permissions and fence, and pods of its own. */
  readonly beside?: Field
}

let fields = 0

/**
 * Where replicas of one contestant compete: namespaces of their own with the committed permissions and fence, a pod
 * object, a token and a loopback address for each, and a proxy before each one's API server and peer port.
 */
export class Field {
  readonly contestant: Contestant
  readonly namespace: string
  readonly sessionNamespace: string
  readonly replicas: readonly Replica[]
  readonly folder: string
  /** What has to be removed beside the namespaces; nothing is this field's own where it is beside another. */
  readonly #outside: readonly Manifest[] | undefined

  private constructor(
    contestant: Contestant,
    namespaces: readonly [string, string],
    replicas: readonly Replica[],
    folder: string,
    outside: readonly Manifest[] | undefined,
  ) {
    this.contestant = contestant
    this.namespace = namespaces[0]
    this.sessionNamespace = namespaces[1]
    this.replicas = replicas
    this.folder = folder
    this.#outside = outside
  }

  /** Prepares everything and starts nothing. */
  static async create(contestant: Contestant, options: FieldOptions = {}): Promise<Field> {
    const count = options.replicas ?? 3
    const { beside } = options
    const namespaces = beside
      ? ([beside.namespace, beside.sessionNamespace] as const)
      : ([await createNamespace('faults'), await createNamespace('faults')] as const)
    const outside = beside ? undefined : await prepare(...namespaces)
    const folder = mkdtempSync(join(cluster().folder, 'faults-'))
    fields += 1
    const network = `127.${(process.pid % 200) + 20}.${fields % 250}`
    const replicas: Replica[] = []
    for (let index = 0; index < count; index++) {
      replicas.push(await replicaOf(contestant, { namespaces, folder, network, index, count, ...options }))
    }
    return new Field(contestant, namespaces, replicas, folder, outside)
  }

  replica(index: number): Replica {
    const found = this.replicas[index]
    if (found === undefined) throw new Error(`no replica ${index}`)
    return found
  }

  /** Starts all replicas that do not run and waits until one leads and all others could. Returns the leader. */
  async start(): Promise<Replica> {
    await Promise.all(this.replicas.map(async (replica) => replica.isRunning || replica.start()))
    await this.ready()
    return this.leader(30)
  }

  /** Waits until every replica that runs leads or would take over. */
  async ready(): Promise<void> {
    const { contestant } = this
    const isReady = async ({ heard, place }: Replica): Promise<boolean> =>
      heard.length > 0 && (await contestant.isReady(place))
    const running = (): readonly Replica[] => this.replicas.filter(({ isRunning }) => isRunning)
    try {
      await waitFor('ready replicas', async () => (await Promise.all(running().map(isReady))).every(Boolean), {
        seconds: 30,
        everyMilliseconds: 20,
      })
    } catch (error) {
      throw new Error(`${String(error)}\n${this.tails}`, { cause: error })
    }
  }

  /** The one replica that leads, by its own word and by the Lease. Waits for it. @throws after so many seconds */
  async leader(seconds: number): Promise<Replica> {
    try {
      return await waitFor(
        'exactly one leader',
        async () => {
          const believers = this.replicas.filter(({ believesToLead }) => believesToLead)
          const lease = await this.lease()
          const [only] = believers
          return believers.length === 1 && only !== undefined && lease?.pod === only.name && only
        },
        { seconds, everyMilliseconds: 20 },
      )
    } catch (error) {
      const holder = (await this.lease())?.holder
      throw new Error(`${String(error)}; the Lease is held by '${holder ?? ''}'\n${this.tails}`, { cause: error })
    }
  }

  /** The replicas that do not lead, as they say. */
  get standbys(): readonly Replica[] {
    return this.replicas.filter(({ believesToLead, isRunning }) => isRunning && !believesToLead)
  }

  /** The Lease as it is now; absent when there is none. */
  async lease(): Promise<Lease | undefined> {
    return leaseOf(this.namespace, committedAgent)
  }

  /** The end of what every replica printed. */
  get tails(): string {
    return this.replicas.map(({ tail }) => tail).join('\n')
  }

  /** Gives a replica another token, bound to its pod, as the kubelet does. */
  async renewToken(replica: Replica): Promise<void> {
    const { place } = replica
    writeFileSync(place.tokenFile, await tokenOf(this.namespace, committedAgent, { pod: place.pod }))
  }

  async close(): Promise<void> {
    await Promise.all(this.replicas.map((replica) => replica.kill()))
    await Promise.all(this.replicas.flatMap(({ apiProxy, peerProxy }) => [apiProxy.close(), peerProxy.close()]))
    rmSync(this.folder, { recursive: true, force: true })
    if (this.#outside === undefined) return
    for (const { kind, metadata } of this.#outside) {
      const where = metadata.namespace === undefined ? [] : ['-n', metadata.namespace]
      await kubectl(['delete', kind, metadata.name, ...where, '--wait=false', '--ignore-not-found'])
    }
    await deleteNamespace(this.namespace)
    await deleteNamespace(this.sessionNamespace)
  }
}

/** Creates what a field's agents need, and says what of it does not end with the two namespaces. */
async function prepare(namespace: string, sessionNamespace: string): Promise<readonly Manifest[]> {
  const { objects, outside } = agentManifests(namespace, sessionNamespace)
  const metadata = { name: effectsName, namespace: sessionNamespace }
  // Before the fence, which would let nobody create anything if there were no Lease.
  await apply({ apiVersion: 'v1', kind: 'ConfigMap', metadata, data: { epoch: '0' } })
  await keepLeaseParameters()
  await apply(objects)
  return outside
}

interface ReplicaPlace extends FieldOptions {
  readonly namespaces: readonly [string, string]
  readonly folder: string
  readonly network: string
  readonly index: number
  readonly count: number
}

async function replicaOf(contestant: Contestant, where: ReplicaPlace): Promise<Replica> {
  const { namespaces, network, index, count } = where
  const [namespace, sessionNamespace] = namespaces
  const deployment = where.beside ? 'other' : 'own'
  const pod = await createPod(namespace, `${committedAgent}-${deployment}-${index}`, deployment)
  const folder = join(where.folder, String(index))
  mkdirSync(folder)
  const { server, authority } = await connection()
  const tokenFile = join(folder, 'token')
  const caFile = join(folder, 'ca.crt')
  writeFileSync(tokenFile, await tokenOf(namespace, committedAgent, { pod }))
  writeFileSync(caFile, authority?.pem ?? '')
  const api = { host: server.hostname, port: Number(server.port) }
  const listenAddress = `${network}.${index + 1}`
  const apiProxy = await Proxy.listen(api)
  const peerProxy = await Proxy.listen({ host: listenAddress, port: peerPort }, `${network}.${index + 101}`, peerPort)
  return new Replica(
    contestant,
    {
      pod,
      namespace,
      sessionNamespace,
      agentId: 'local',
      lease: committedAgent,
      replicas: count,
      apiServer: (where.apiProxied ?? true) ? apiProxy : api,
      tokenFile,
      caFile,
      listenAddress,
      podAddress: where.peerProxied === true ? peerProxy.host : listenAddress,
      folder,
    },
    apiProxy,
    peerProxy,
  )
}

/** A pod that no node runs: an object for the token to be bound to, and for evidence to be written on. */
async function createPod(namespace: string, name: string, templateHash: string): Promise<Place['pod']> {
  const { status, body } = await apiRequest<{ metadata?: { uid: string }; message?: string }>({
    method: 'POST',
    path: `/api/v1/namespaces/${namespace}/pods`,
    body: {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: {
        name,
        labels: {
          'app.kubernetes.io/name': 'regent-agent',
          'app.kubernetes.io/instance': 'local',
          'pod-template-hash': templateHash,
        },
      },
      spec: {
        serviceAccountName: committedAgent,
        securityContext: { runAsNonRoot: true, runAsUser: 65532, seccompProfile: { type: 'RuntimeDefault' } },
        containers: [
          {
            name: 'agent',
            image: 'registry.test/agent:1',
            securityContext: { allowPrivilegeEscalation: false, capabilities: { drop: ['ALL'] } },
          },
        ],
      },
    },
  })
  if (body.metadata === undefined) throw new Error(`pod ${name}: ${status} ${body.message ?? ''}`)
  return { name, uid: body.metadata.uid }
}
