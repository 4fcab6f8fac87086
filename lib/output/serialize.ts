import { dump } from 'js-yaml'
import type { Manifest } from './manifest.ts'

/** First line of every file that synthesizing writes, by which it knows its own files again. */
export const ownershipLine = "# Written by 'regent synth'; edit environments/ instead."

/**
 * An object as YAML: keys sorted, nothing that depends on the moment, and every text quoted that some parser of
 * Kubernetes' world would take for a boolean or a number.
 */
export function serialize(manifest: Manifest): string {
  return `${ownershipLine}\n${dump(manifest, { sortKeys: true, noRefs: true, lineWidth: -1 })}`
}
