import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { type EnvironmentPart, extend, type Layer, layer } from '../../lib/config/layer.ts'
import { type ParsedEnvironment, parseEnvironment } from '../../lib/config/parse.ts'

/** A module of the project, as far as layers ask about it. */
export function moduleAt(file: string): Pick<ImportMeta, 'url'> {
  return { url: pathToFileURL(join(import.meta.dirname, '../..', file)).href }
}

/** What an environment file says that the compiler has not seen: the mistakes that the tests are about. */
export function written(part: unknown): EnvironmentPart {
  return part as EnvironmentPart
}

/** Nothing but what has no default. */
export const least = {
  name: 'sample',
  purpose: 'staging',
  region: { name: 'here' },
  repositoryUrl: 'https://example.com/repository',
  registry: 'registry.example.com/regent',
  cluster: {
    cloud: 'eks',
    kubernetesVersion: '1.33',
    zones: ['a', 'b'],
    nodes: 3,
    apiServer: { cidrs: ['10.0.0.0/24'], ports: [443] },
  },
  agent: {
    id: 'sample',
    replicas: 2,
    leaderElection: { enabled: true },
    sessions: { maxCpu: '4', maxMemory: '8Gi' },
  },
} as const satisfies EnvironmentPart

/** The lower of the two layers of {@link parsed}. */
export const leastLayer = layer(moduleAt('environments/least.ts'), least)

/** The least environment, or another, with a layer on top, parsed. */
export function parsed(part: unknown, below: Layer = leastLayer): ParsedEnvironment {
  return parseEnvironment(extend(below, moduleAt('environments/sample.ts'), written(part)))
}
