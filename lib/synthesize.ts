import type { Problem } from '@regent/contract/problem.ts'
import type { Layer } from './config/layer.ts'
import { nameOf } from './config/parse.ts'
import type { ImageLock } from './images/lock.ts'
import { filesOf, render, type Rendered } from './render.ts'

/** Several environments, rendered in one run. */
export interface Synthesis {
  readonly environments: readonly Rendered[]
  readonly problems: readonly Problem[]
  /** Every file by its path below the output folder; complete only where no problem is an error. */
  readonly files: ReadonlyMap<string, string>
}

/** Renders environments and collects everything that is wrong with any of them. */
export function synthesize(layers: readonly Layer[], imageLock: ImageLock): Synthesis {
  const environments = layers.map((layer) => render(layer, imageLock))
  return {
    environments,
    problems: [...namesakes(layers), ...environments.flatMap(({ problems }) => problems)],
    files: new Map(environments.flatMap((rendered) => [...filesOf(rendered)])),
  }
}

function namesakes(layers: readonly Layer[]): readonly Problem[] {
  const names = layers.map(nameOf)
  return [...new Set(names.filter((name, index) => names.indexOf(name) !== index))].map((name) => ({
    path: `${name}.name`,
    received: `'${name}' in ${names.filter((other) => other === name).length} environments`,
    expected: 'a name that no other environment has',
    fix: 'rename one: they would share a folder in dist/',
    severity: 'error',
  }))
}
