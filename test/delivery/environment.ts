import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { labels, namespaceNames } from '@regent/contract/names.ts'
import { environments } from '../../environments/index.ts'
import type { Environment } from '../../lib/config/environment.ts'
import type { EnvironmentPart, Layer } from '../../lib/config/layer.ts'
import { nameOf } from '../../lib/config/parse.ts'
import { readImageLock } from '../../lib/images/lock.ts'
import { filesOf, render, type Rendered } from '../../lib/render.ts'
import { apiRequest } from '../cluster/api-request.ts'
import { kubectl, mustKubectl } from '../cluster/kubectl.ts'
import { keepLeaseParameters } from '../cluster/lease-parameters.ts'
import { cluster } from '../cluster/state.ts'
import { waitFor } from '../cluster/wait-for.ts'
import { changedLayer } from '../support/layers.ts'

/** The committed manifests. */
export const committed = resolve(import.meta.dirname, '../../dist')

/** The layer of an environment by its name. */
export function layerOf(name: string): Layer {
  const found = environments.find((layer) => nameOf(layer) === name)
  if (found === undefined) throw new Error(`no environment ${name}`)
  return found
}

/** An environment as the tests' cluster can take it: at its Kubernetes version where that is the older one. */
export function forCluster(layer: Layer, part: EnvironmentPart = {}): Layer {
  const older = cluster().release === 'oldest' ? { cluster: { kubernetesVersion: '1.29' } } : {}
  return changedLayer(changedLayer(layer, older), part)
}

/** Renders an environment with its real images. @throws where it has problems that are errors */
export function rendered(layer: Layer): Rendered & { readonly environment: Environment } {
  const result = render(layer, readImageLock())
  const errors = result.problems.filter(({ severity }) => severity === 'error')
  if (result.environment === undefined || errors.length > 0) {
    throw new Error(errors.map(({ path, received }) => `${path}: ${received}`).join('\n'))
  }
  return { ...result, environment: result.environment }
}

/** Writes rendered manifests to a folder of their own and gives it to the action. */
export async function withFolder<T>(result: Rendered, action: (folder: string) => Promise<T>): Promise<T> {
  const top = mkdtempSync(join(tmpdir(), 'regent-manifests-'))
  try {
    for (const [path, text] of filesOf(result)) {
      mkdirSync(dirname(join(top, path)), { recursive: true })
      writeFileSync(join(top, path), text)
    }
    return await action(join(top, result.name))
  } finally {
    rmSync(top, { recursive: true, force: true })
  }
}

/** Where kubectl learns how lists are merged. What it has built in is the same, and takes a fifth of the time. */
export type MergeKeys = 'of the server' | 'built in'

/**
 * Applies a folder as a person would, with unknown fields refused. Returns a line per object.
 *
 * @param mergeKeys `of the server` is what kubectl does unless it is told otherwise
 */
export async function applyFolder(folder: string, mergeKeys: MergeKeys = 'of the server'): Promise<readonly string[]> {
  const flags = mergeKeys === 'built in' ? ['--openapi-patch=false'] : []
  const { exitCode, stdout, stderr } = await kubectl(['apply', '--validate=strict', ...flags, '-f', folder, '-R'], {
    seconds: 120,
  })
  // A warning of the API server is a manifest that will not live long.
  if (exitCode !== 0 || stderr !== '')
    throw new Error(`kubectl apply -f ${folder} -R ended with ${exitCode}:\n${stderr}`)
  return stdout.trim().split('\n')
}

/** Applies an environment as it is committed; at the oldest Kubernetes as it would be written for it. */
export async function applyEnvironment(name: string): Promise<void> {
  if (cluster().release === 'newest') await applyFolder(join(committed, name))
  else await withFolder(rendered(forCluster(layerOf(name))), applyFolder)
}

/** What tells whether an object was changed. */
export interface LiveObject {
  readonly kind: string
  readonly metadata: {
    readonly name: string
    readonly namespace?: string
    readonly resourceVersion: string
    /** Counts the changes of the specification alone, where the kind has one that controllers report on. */
    readonly generation?: number
  }
}

/** The objects of an environment that are in the cluster. */
export async function liveObjects(result: Rendered): Promise<readonly LiveObject[]> {
  return withFolder(result, async (folder) => {
    const printed = await mustKubectl(['get', '-f', folder, '-R', '--ignore-not-found', '-o', 'json'], { seconds: 120 })
    // Of nothing, kubectl prints nothing.
    return printed.trim() === '' ? [] : (JSON.parse(printed) as { items: readonly LiveObject[] }).items
  })
}

/** What selects the objects of any environment. */
const labelled = `?labelSelector=${encodeURIComponent(labels.environment)}`

/** Removes everything that carries the label of an environment, and waits until the namespaces are gone. */
export async function removeEnvironments(): Promise<void> {
  await keepLeaseParameters()
  await beginRemoval()
  await waitForRemoval()
}

/**
 * Begins to remove everything that carries the label of an environment. The namespace controller lets five seconds
 * pass before it looks at a namespace, in which other tests can run.
 */
export async function beginRemoval(): Promise<void> {
  await removeWorkloads()
  await remove([
    `/apis/rbac.authorization.k8s.io/v1/namespaces/kube-system/rolebindings${labelled}`,
    `/apis/rbac.authorization.k8s.io/v1/namespaces/kube-system/roles${labelled}`,
    `/apis/scheduling.k8s.io/v1/priorityclasses${labelled}`,
    `/apis/storage.k8s.io/v1/storageclasses${labelled}`,
    ...Object.values(namespaceNames).map((namespace) => `/api/v1/namespaces/${namespace}`),
  ])
}

/** Removes what runs in an environment and what it has stored, and waits until it is gone. The rest stays. */
export async function clearEnvironments(): Promise<void> {
  await removeWorkloads()
  await waitFor('removal of pods and volumes', async () => {
    const paths = Object.values(namespaceNames).flatMap((namespace) =>
      ['pods', 'persistentvolumeclaims'].map((resource) => `/api/v1/namespaces/${namespace}/${resource}`),
    )
    const found = await Promise.all(paths.map((path) => apiRequest<{ items?: readonly object[] }>({ path })))
    return found.every(({ body: { items } }) => (items ?? []).length === 0)
  })
}

async function removeWorkloads(): Promise<void> {
  const namespaces = Object.values(namespaceNames)
  const admission = '/apis/admissionregistration.k8s.io/v1'
  // The fence first: without its Lease it lets nobody empty the sessions' namespace.
  await remove([`${admission}/validatingadmissionpolicybindings${labelled}`])
  await remove([`${admission}/validatingadmissionpolicies${labelled}`])
  // Pods at once: whoever empties a namespace waits for half of their grace period before looking again.
  const atOnce = { gracePeriodSeconds: 0, propagationPolicy: 'Orphan' }
  for (const resources of [
    ['apis/apps/v1/deployments', 'apis/apps/v1/statefulsets'],
    ['apis/apps/v1/replicasets'],
    ['api/v1/pods', 'api/v1/persistentvolumeclaims'],
  ]) {
    const paths = resources.flatMap((resource) =>
      namespaces.map((namespace) => `/${resource.replace(/[a-z]+$/, `namespaces/${namespace}/$&`)}`),
    )
    await remove(paths, atOnce)
  }
}

/** Removes collections and single objects beside each other, without waiting until they are gone. */
async function remove(paths: readonly string[], options: object = {}): Promise<void> {
  await Promise.all(
    paths.map(async (path) => {
      const body = { kind: 'DeleteOptions', apiVersion: 'v1', ...options }
      const { status } = await apiRequest({ method: 'DELETE', path, body })
      // 404: nothing of it, or an API that an older cluster does not serve; 409: on its way out already.
      if (status >= 300 && status !== 404 && status !== 409) throw new Error(`DELETE ${path}: ${status}`)
    }),
  )
}

/** Waits until the namespaces of an environment that is being removed are gone. */
export async function waitForRemoval(): Promise<void> {
  await waitFor('removal of the namespaces', async () => {
    const found = await Promise.all(
      Object.values(namespaceNames).map((name) => apiRequest({ path: `/api/v1/namespaces/${name}` })),
    )
    return found.every(({ status }) => status === 404)
  })
}
