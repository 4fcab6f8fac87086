import type { Problem } from '@regent/contract/problem.ts'
import { agentProblems } from './agent/problems.ts'
import { checks } from './checks/index.ts'
import type { Environment } from './config/environment.ts'
import type { Layer } from './config/layer.ts'
import { originOf } from './config/layer.ts'
import { nameOf, parseEnvironment } from './config/parse.ts'
import { consensusProblems } from './consensus/problems.ts'
import { controlPlaneProblems } from './control-plane/problems.ts'
import { foundationProblems } from './foundation/problems.ts'
import type { ImageLock } from './images/lock.ts'
import { fileName } from './output/file-name.ts'
import { indexOf, type ManifestIndex } from './output/manifest-index.ts'
import { serialize } from './output/serialize.ts'
import { compose } from './platform.ts'
import { hasErrors } from './report.ts'

/** One environment, rendered: what will be written, or what is wrong. */
export interface Rendered {
  readonly name: string
  /** `undefined` where problems of the settings are in the way. */
  readonly environment: Environment | undefined
  readonly index: ManifestIndex | undefined
  readonly problems: readonly Problem[]
}

/** Parses, composes and checks an environment. Writes nothing and throws for no input. */
export function render(layer: Layer, imageLock: ImageLock): Rendered {
  const name = nameOf(layer)
  const { environment, problems: parseProblems } = parseEnvironment(layer)
  if (environment === undefined) return { name, environment, index: undefined, problems: parseProblems }
  const problems = [
    ...parseProblems,
    ...[foundationProblems, consensusProblems, controlPlaneProblems, agentProblems].flatMap((rule) => [
      ...rule(environment),
    ]),
  ]
  if (hasErrors(problems)) {
    return { name, environment, index: undefined, problems: withSources(problems, layer, name) }
  }
  const index = indexOf(compose(environment, imageLock), name, environment.cluster)
  const found = checks.flatMap((check) => [...check(index)])
  return { name, environment, index, problems: withSources([...problems, ...found], layer, name) }
}

/** The files of an environment, by their path below the output folder. */
export function filesOf({ name, index }: Rendered): ReadonlyMap<string, string> {
  return new Map(index?.entries.map((entry) => [`${name}/${fileName(entry)}`, serialize(entry.manifest)]))
}

function withSources(problems: readonly Problem[], layer: Layer, name: string): readonly Problem[] {
  return problems.map((problem) =>
    problem.source !== undefined || !problem.path.startsWith(`${name}.`)
      ? problem
      : { ...problem, source: originOf(layer, problem.path.slice(name.length + 1)) },
  )
}
