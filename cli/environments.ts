import { distance } from 'fastest-levenshtein'
import type { Layer } from '../lib/config/layer.ts'
import { Refusal, UsageError } from './errors.ts'

/** What a command works on. */
export interface Selection {
  readonly layers: readonly Layer[]
  /** Whether these are all environments that there are. */
  readonly complete: boolean
}

/**
 * The environments of these names, in the order in which they are declared; without names, all of them.
 *
 * @throws UsageError for a name that no environment has
 */
export async function selectEnvironments(names: readonly string[] = []): Promise<Selection> {
  const [layers, { nameOf }] = await Promise.all([loadEnvironments(), import('../lib/config/parse.ts')])
  const known = layers.map(nameOf)
  const unknown = [...new Set(names.filter((name) => !known.includes(name)))]
  if (unknown.length > 0) {
    const each = unknown.map((name) => `unknown environment '${name}'${suggestion(name, known)}`)
    throw new UsageError(`${each.join('; ')}; known: ${known.join(', ')}`)
  }
  return names.length === 0
    ? { layers, complete: true }
    : { layers: layers.filter((layer) => names.includes(nameOf(layer))), complete: false }
}

/** The one environment of this name. */
export async function selectEnvironment(name: string): Promise<Layer> {
  const [layer] = (await selectEnvironments([name])).layers
  if (layer === undefined) throw new UsageError(`unknown environment '${name}'`)
  return layer
}

/** Loads `environments/` when it is needed, so that a mistake in it is reported and does not break the help. */
export async function loadEnvironments(): Promise<readonly Layer[]> {
  try {
    return (await import('../environments/index.ts')).environments
  } catch (error) {
    // A layer's own words name the file; anything else, a syntax error for one, needs its place.
    const why = error instanceof Error && error.constructor !== Error ? error.stack : undefined
    throw new Refusal([`error: environments/ cannot be loaded: ${why ?? String(error)}`])
  }
}

/** `, did you mean 'x'?` with the nearest of the known names; nothing where there is none. */
export function suggestion(name: string, known: readonly string[]): string {
  const [nearest] = known
    .map((one) => ({ one, far: distance(name, one) }))
    .toSorted((a, b) => a.far - b.far)
    .map(({ one }) => one)
  return nearest === undefined ? '' : `, did you mean '${nearest}'?`
}
