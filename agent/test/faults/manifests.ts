import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { namespaceNames } from '@regent/contract/names.ts'
import { parse } from 'yaml'

const core = join(import.meta.dirname, '..', '..', '..', 'dist', 'local', '0-core')
/** The agent of the committed manifests. */
export const committedAgent = 'regent-agent-local'
const kinds = [
  'lease',
  'role',
  'rolebinding',
  'serviceaccount',
  'validatingadmissionpolicy',
  'validatingadmissionpolicybinding',
]

/** What is common to the objects of a manifest. */
export interface Manifest {
  readonly kind: string
  readonly metadata: { readonly name: string; readonly namespace?: string }
  readonly roleRef?: { readonly name: string }
}

/**
 * The permissions and the fence of the agent as they are committed, moved to namespaces of a test's own: the faults
 * meet exactly what is shipped. Whoever removes the environments of other tests does not find them.
 *
 * @returns the objects, and those of them that do not end with the two namespaces
 */
export function agentManifests(
  system: string,
  sessions: string,
): { readonly objects: readonly object[]; readonly outside: readonly Manifest[] } {
  const objects = readdirSync(core)
    .filter((file) => kinds.includes(/^\d+-(\w+)\./.exec(file)?.[1] ?? '') && file.includes(committedAgent))
    .map((file) => moved(parse(readFileSync(join(core, file), 'utf8')) as Manifest, system, sessions))
  const outside = objects.filter(({ metadata }) => ![system, sessions].includes(metadata.namespace ?? ''))
  return { objects, outside }
}

function moved(manifest: Manifest, system: string, sessions: string): Manifest {
  const text = JSON.stringify({ ...manifest, metadata: { ...manifest.metadata, labels: {} } })
    .replaceAll(namespaceNames.system, system)
    .replaceAll(namespaceNames.sessions, sessions)
    .replaceAll(`"${committedAgent}-fence"`, `"${system}-fence"`)
  const object = JSON.parse(text) as Manifest
  if (object.metadata.namespace !== 'kube-system') return object
  // In a namespace that all tests share, the name has to tell them apart.
  return {
    ...object,
    metadata: { ...object.metadata, name: system },
    ...(object.roleRef && { roleRef: { ...object.roleRef, name: system } }),
  }
}
