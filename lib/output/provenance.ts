import type { Construct, IConstruct } from 'constructs'

const settingsKey = 'regent.dev/settings'

/**
 * Says which part of the environment a construct and everything below it comes from, so that a problem with an
 * emitted object names the setting and not the YAML.
 */
export function comesFrom(construct: Construct, path: string): void {
  construct.node.addMetadata(settingsKey, path)
}

/** The path of the environment that a construct comes from; the nearest one wins. */
export function settingsPathOf(construct: IConstruct): string {
  for (const scope of construct.node.scopes.toReversed()) {
    const entry = scope.node.metadata.findLast(({ type }) => type === settingsKey)
    if (entry !== undefined) return String(entry.data)
  }
  return ''
}
