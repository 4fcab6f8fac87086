import { problemWith } from './check.ts'
import type { Check } from './check.ts'
import type { Manifest } from '../output/manifest.ts'

/**
 * No object is emitted twice. Of two objects with one name the API server keeps the one that was applied last, and
 * which that is depends on the names of the files: half of the configuration would vanish without a word.
 */
export const duplicateObjects: Check = (index) => {
  const first = new Map<string, Manifest>()
  return index.manifests.flatMap((manifest) => {
    const key = JSON.stringify([groupOf(manifest), manifest.kind, manifest.metadata.namespace, manifest.metadata.name])
    const other = first.get(key)
    if (other === undefined) {
      first.set(key, manifest)
      return []
    }
    return problemWith(index, manifest, {
      received: `'metadata.name' (${manifest.metadata.name}), which '${index.origin(other)}' emits too,`,
      expected: 'one object per kind, namespace and name',
      fix: 'rename one of the two or emit it once',
    })
  })
}

/** The API group; versions of one group hold the same objects. */
function groupOf({ apiVersion }: Manifest): string {
  return apiVersion.includes('/') ? (apiVersion.split('/')[0] ?? '') : ''
}
