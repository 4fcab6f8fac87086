import { extend, type EnvironmentPart, type Layer } from '../../lib/config/layer.ts'
import type { Environment } from '../../lib/config/environment.ts'
import { parseEnvironment } from '../../lib/config/parse.ts'
import type { ImageLock } from '../../lib/images/lock.ts'
import type { Manifest } from '../../lib/output/manifest.ts'
import { indexOf, type ManifestIndex } from '../../lib/output/manifest-index.ts'
import { compose } from '../../lib/platform.ts'

/** Images that no registry knows: what is composed here is never pulled. */
export const testImages: ImageLock = {
  agent: { version: '1.2.3' },
  'control-plane': { version: '1.2.3' },
  etcd: { repository: 'registry.test/etcd', version: 'v3.6.16', digest: `sha256:${'a'.repeat(64)}` },
}

/**
 * An environment with some of its values changed, parsed. Fails the test where it does not parse. The change does not
 * count as a layer, so that an environment of any depth can be changed.
 */
export function changed(layer: Layer, part: EnvironmentPart): Environment {
  const { environment, problems } = parseEnvironment(extend({ ...layer, depth: 1 }, import.meta, part))
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
