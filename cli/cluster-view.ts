import type { KubeConfig } from '@kubernetes/client-node'
import { reasonOf } from '../lib/reason.ts'
import { suggestion } from './environments.ts'
import { Refusal, UsageError } from './errors.ts'

/** What `requires --check` wants to know of a cluster. Every question is a single read. */
export interface ClusterView {
  readonly version: { readonly major: number; readonly minor: number; readonly text: string }
  schedulableNodes(): Promise<readonly { readonly name: string; readonly zone: string | undefined }[]>
  /** Names of a Secret's keys; `undefined` where there is no such Secret. Values are never kept. */
  secretKeys(namespace: string, name: string): Promise<readonly string[] | undefined>
  storageClasses(): Promise<readonly { readonly name: string; readonly isDefault: boolean }[]>
  hasCsiDriver(name: string): Promise<boolean>
  apiService(name: string): Promise<'available' | 'not available' | 'not registered'>
}

/** The cluster does not answer one question, for example because the user may not ask it. */
export class Unanswered extends Error {}

/** Longest time that one request may take. */
const longestRequestMilliseconds = 10_000
/** Where the client looks when it has found no kubeconfig. */
const nowhere = 'http://localhost:8080'
const nodesPerPage = 500
const defaultClassAnnotations = [
  'storageclass.kubernetes.io/is-default-class',
  'storageclass.beta.kubernetes.io/is-default-class',
]

/**
 * Connects to the cluster of a kubeconfig.
 *
 * @throws Refusal when there is none, or it cannot be reached
 * @throws UsageError for a context that the kubeconfig does not have
 */
export async function connect(
  kubeconfig: string | undefined,
  context: string | undefined,
  requestMilliseconds = longestRequestMilliseconds,
): Promise<ClusterView> {
  // The client is heavy: only this command pays for it.
  const client = await import('@kubernetes/client-node')
  const config = new client.KubeConfig()
  loadConfig(config, kubeconfig)
  if (context !== undefined) {
    const known = config.getContexts().map(({ name }) => name)
    if (!known.includes(context)) throw new UsageError(`unknown context '${context}'${suggestion(context, known)}`)
    config.setCurrentContext(context)
  }
  const server = config.getCurrentCluster()?.server
  if (server === undefined || server === nowhere || server.includes('undefined')) {
    throw new Refusal([
      'error: no cluster: name a kubeconfig by --kubeconfig or KUBECONFIG, and a context by --context',
    ])
  }

  const configuration = client.createConfiguration({
    baseServer: new client.ServerConfiguration(server, {}),
    authMethods: { default: config },
    promiseMiddleware: [
      {
        pre: (request) => {
          request.setSignal(AbortSignal.timeout(requestMilliseconds))
          return Promise.resolve(request)
        },
        post: (response) => Promise.resolve(response),
      },
    ],
  })
  const core = new client.CoreV1Api(configuration)
  const storage = new client.StorageV1Api(configuration)
  const registration = new client.ApiregistrationV1Api(configuration)

  async function optional<T>(what: string, request: Promise<T>): Promise<T | undefined> {
    try {
      return await request
    } catch (error) {
      if (error instanceof client.ApiException && error.code === 404) return undefined
      throw new Unanswered(`${what}: ${whyNot(error)}`)
    }
  }
  async function answered<T>(what: string, request: Promise<T>): Promise<T> {
    const answer = await optional(what, request)
    if (answer === undefined) throw new Unanswered(`${what}: the cluster does not know them`)
    return answer
  }

  const version = await new client.VersionApi(configuration).getCode().catch((error: unknown) => {
    throw new Refusal([`error: the cluster at ${server} cannot be asked: ${whyNot(error)}`])
  })
  let nodes: Promise<readonly { readonly name: string; readonly zone: string | undefined }[]> | undefined
  async function listNodes() {
    const found = []
    let next: string | undefined
    do {
      const options = { limit: nodesPerPage, ...(next !== undefined && { _continue: next }) }
      const page = await answered('Nodes', core.listNode(options))
      found.push(...page.items)
      next = page.metadata?._continue
    } while (next !== undefined && next !== '')
    return found
      .filter(
        ({ spec }) =>
          spec?.unschedulable !== true && !spec?.taints?.some(({ effect }) => effect !== 'PreferNoSchedule'),
      )
      .map(({ metadata }) => ({ name: metadata?.name ?? '', zone: metadata?.labels?.['topology.kubernetes.io/zone'] }))
  }

  return {
    version: { major: Number.parseInt(version.major), minor: Number.parseInt(version.minor), text: version.gitVersion },
    schedulableNodes: () => (nodes ??= listNodes()),
    secretKeys: async (namespace, name) => {
      const secret = await optional(`Secret ${namespace}/${name}`, core.readNamespacedSecret({ namespace, name }))
      return secret === undefined ? undefined : Object.keys(secret.data ?? {})
    },
    storageClasses: async () => {
      const { items } = await answered('StorageClasses', storage.listStorageClass())
      return items.map(({ metadata }) => ({
        name: metadata?.name ?? '',
        isDefault: defaultClassAnnotations.some((key) => metadata?.annotations?.[key] === 'true'),
      }))
    },
    hasCsiDriver: async (name) => (await optional(`CSIDriver ${name}`, storage.readCSIDriver({ name }))) !== undefined,
    apiService: async (name) => {
      const service = await optional(`APIService ${name}`, registration.readAPIService({ name }))
      if (service === undefined) return 'not registered'
      const isAvailable = service.status?.conditions?.some(
        ({ type, status }) => type === 'Available' && status === 'True',
      )
      return isAvailable ? 'available' : 'not available'
    },
  }
}

function loadConfig(config: KubeConfig, file: string | undefined): void {
  try {
    if (file === undefined) config.loadFromDefault()
    else config.loadFromFile(file)
  } catch (error) {
    const name = file ?? process.env['KUBECONFIG'] ?? 'the default kubeconfig'
    throw new Refusal([`error: ${name} cannot be read as a kubeconfig: ${reasonOf(error)}`])
  }
}

/** Why the cluster did not answer. Never its response, which may hold a secret. */
function whyNot(error: unknown): string {
  const { code, name } = error as { readonly code?: unknown; readonly name?: string }
  if (name === 'TimeoutError') return `no answer in time`
  if (typeof code !== 'number') return reasonOf(error)
  if (code === 401) return 'it refuses the credentials (401)'
  return code === 403 ? 'the user may not read it (403)' : `it answers with ${code}`
}
