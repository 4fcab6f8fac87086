import { AppsV1Api, CoreV1Api, VersionApi } from '@kubernetes/client-node'
import type { ApiServer } from '../../election/api-server.ts'
import { refusalIn } from '../../kubernetes/api-refusal.ts'
import { cancelledBy } from '../../kubernetes/cancelled-by.ts'
import { clientConfig } from '../../kubernetes/client.ts'
import { ActionFailed } from '../action.ts'
import { mostNames, type Objects, type Unreadable, type View } from './view.ts'

/** The longest that one request may take, in seconds. */
const requestSeconds = 5
/** Most quotas of a namespace that are told. */
const mostQuotas = 10

interface List {
  readonly metadata?: { readonly remainingItemCount?: number }
  readonly items: readonly { readonly metadata?: { readonly name?: string } }[]
}

/**
 * The view of the namespace in which sessions are created. Nothing is asked before it is needed, and nothing is kept.
 *
 * Each part rejects with {@link ActionFailed}, worth another attempt, when the API server does not answer.
 */
export function clusterView(apiServer: ApiServer, namespace: string): View {
  const config = clientConfig(apiServer)
  const core = config.makeApiClient(CoreV1Api)
  const apps = config.makeApiClient(AppsV1Api)
  const versions = config.makeApiClient(VersionApi)
  const listed = { namespace, limit: mostNames }
  const lists = {
    deployments: (signal: AbortSignal): Promise<List> =>
      apps.listNamespacedDeployment(listed, cancelledBy(signal, requestSeconds)),
    services: (signal: AbortSignal): Promise<List> =>
      core.listNamespacedService(listed, cancelledBy(signal, requestSeconds)),
    persistentVolumeClaims: (signal: AbortSignal): Promise<List> =>
      core.listNamespacedPersistentVolumeClaim(listed, cancelledBy(signal, requestSeconds)),
  }
  return {
    version: (signal) => readable(async () => (await versions.getCode(cancelledBy(signal, requestSeconds))).gitVersion),
    quotas: (signal) =>
      readable(async () => {
        const { items } = await core.listNamespacedResourceQuota(
          { namespace, limit: mostQuotas },
          cancelledBy(signal, requestSeconds),
        )
        return items.map(({ metadata, status }) => ({
          name: metadata?.name ?? '',
          hard: status?.hard ?? {},
          used: status?.used ?? {},
        }))
      }),
    objects: (kind, signal) => readable(async () => objectsOf(await lists[kind](signal))),
  }
}

function objectsOf({ metadata, items }: List): Objects {
  return {
    count: items.length + (metadata?.remainingItemCount ?? 0),
    names: items.flatMap(({ metadata: named }) => (named?.name === undefined ? [] : [named.name])),
  }
}

/** What may not be read, or is not there, says so; an API server that does not answer ends the whole attempt. */
async function readable<T>(read: () => Promise<T>): Promise<T | Unreadable> {
  try {
    return await read()
  } catch (error) {
    const refusal = refusalIn(error)
    if (refusal === undefined || refusal.status === 429 || refusal.status >= 500) {
      const words = refusal === undefined ? String(error) : `${refusal.status}: ${refusal.message}`
      throw new ActionFailed(`the API server does not answer: ${words}`, { retryable: true, cause: error })
    }
    return { unreadable: `${refusal.status}: ${refusal.message}` }
  }
}
