import { type ClusterOptions, connectionTo, whyNot } from './cluster-connection.ts'
import { Refusal } from './errors.ts'

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
export async function connect(options: ClusterOptions, requestMilliseconds?: number): Promise<ClusterView> {
  const { client, configuration, server } = await connectionTo(options, requestMilliseconds)
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
