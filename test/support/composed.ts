import type { EnvironmentPart, Layer } from '../../lib/config/layer.ts'
import type { Environment } from '../../lib/config/environment.ts'
import { parseEnvironment } from '../../lib/config/parse.ts'
import type { Manifest } from '../../lib/output/manifest.ts'
import { indexOf, type ManifestIndex } from '../../lib/output/manifest-index.ts'
import { compose } from '../../lib/platform.ts'
import { testImages } from './images.ts'
import { changedLayer } from './layers.ts'

/** An environment with some of its values changed, parsed. Fails the test where it does not parse. */
export function changed(layer: Layer, part: EnvironmentPart): Environment {
  const { environment, problems } = parseEnvironment(changedLayer(layer, part))
  if (environment === undefined)
    throw new Error(problems.map(({ path, expected }) => `${path}: ${expected}`).join('\n'))
  return environment
}

/** Everything that an environment emits, with some of its values changed. */
export function composed(layer: Layer, part: EnvironmentPart = {}): ManifestIndex {
  const environment = changed(layer, part)
  return indexOf(compose(environment, testImages), environment.name, environment.cluster)
}

/** The one object of that kind and name; fails the test where it is missing. */
export function object(index: ManifestIndex, kind: string, namespace: string | undefined, name: string): Manifest {
  const found = index.find(kind, namespace, name)
  if (found === undefined)
    throw new Error(
      `no ${kind} ${name} among ${index
        .ofKind(kind)
        .map(({ metadata }) => metadata.name)
        .join(', ')}`,
    )
  return found
}
