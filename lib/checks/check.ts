import type { Problem } from '@regent/contract/problem.ts'
import { type Manifest, manifestName } from '../output/manifest.ts'
import type { ManifestIndex } from '../output/manifest-index.ts'

/** A rule across the emitted objects of one environment. Pure: it looks at nothing else. */
export type Check = (index: ManifestIndex) => readonly Problem[]

/** A problem with an object, named by the setting that caused it. */
export function problemWith(
  index: ManifestIndex,
  manifest: Manifest,
  found: { readonly received: string; readonly expected: string; readonly fix: string; readonly severity?: 'warning' },
): Problem {
  return {
    path: index.origin(manifest),
    received: `${found.received} in ${manifestName(manifest)}`,
    expected: found.expected,
    fix: found.fix,
    severity: found.severity ?? 'error',
  }
}
