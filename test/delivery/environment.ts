import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { namespaceNames } from '@regent/contract/names.ts'
import { environments } from '../../environments/index.ts'
import type { Environment } from '../../lib/config/environment.ts'
import type { EnvironmentPart, Layer } from '../../lib/config/layer.ts'
import { nameOf } from '../../lib/config/parse.ts'
import { readImageLock } from '../../lib/images/lock.ts'
import { filesOf, render, type Rendered } from '../../lib/render.ts'
import { apiRequest } from '../cluster/api-request.ts'
import { kubectl, mustKubectl } from '../cluster/kubectl.ts'
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

/** Applies a folder as a person would, with unknown fields refused. Returns a line per object. */
export async function applyFolder(folder: string): Promise<readonly string[]> {
  const { exitCode, stdout, stderr } = await kubectl(['apply', '--validate=strict', '-f', folder, '-R'], {
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

/** Removes everything that carries the label of an environment, and waits until the namespaces are gone. */
export async function removeEnvironments(): Promise<void> {
  // Pods first and at once: whoever empties a namespace waits for half of their grace period before looking again.
  for (const namespace of Object.values(namespaceNames)) {
    await kubectl(['delete', 'deployments,statefulsets', '--all', '-n', namespace, '--cascade=orphan'])
    await kubectl(['delete', 'replicasets', '--all', '-n', namespace, '--cascade=orphan'])
    await kubectl(['delete', 'pods', '--all', '-n', namespace, '--force', '--grace-period=0'])
  }
  const clusterScoped = [
    'validatingadmissionpolicybindings',
    'validatingadmissionpolicies',
    'priorityclasses',
    'storageclasses',
    'namespaces',
  ]
  for (const kind of clusterScoped) {
    if (cluster().release === 'oldest' && kind.startsWith('validating')) continue
    await kubectl(['delete', kind, '-l', 'regent.dev/environment', '--wait=false', '--ignore-not-found'])
  }
  await waitFor('removal of the namespaces', async () => {
    const found = await Promise.all(
      Object.values(namespaceNames).map((name) => apiRequest({ path: `/api/v1/namespaces/${name}` })),
    )
    return found.every(({ status }) => status === 404)
  })
}
