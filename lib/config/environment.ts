import { z } from 'zod'
import { agentSettings } from '../agent/settings.ts'
import { consensusSettings } from '../consensus/settings.ts'
import { controlPlaneSettings } from '../control-plane/settings.ts'
import { foundationSettings } from '../foundation/settings.ts'
import { clusterSettings } from './cluster-settings.ts'
import { count, dnsLabel, text } from './fields.ts'

/** The one schema of an environment, closed at every level. Types, validation and reference come from it. */
export const environmentSchema = z.strictObject({
  name: dnsLabel('name of the environment: its folder in `dist/` and the label on everything it owns', 40),
  purpose: z.enum(['development', 'staging', 'production']).meta({
    description: 'what it is for: development alone may run plain etcd, a single member, or an open API server range',
  }),
  region: z
    .strictObject({
      name: dnsLabel('name of the region', 40),
      weight: count('share of the region among all regions of the same purpose', { min: 0, max: 100 }).default(1),
    })
    .meta({ description: 'the region that the cluster is in' }),
  repositoryUrl: text('repository that holds `dist/`, annotated on the namespaces', {
    max: 500,
    pattern: /^https:\/\/[^\s@?#]+$/,
    words: 'an https URL without credentials',
  }),
  registry: text("registry and path that Regent's own images are pulled from", {
    max: 253,
    pattern: /^[a-z0-9]([-.a-z0-9]*[a-z0-9])?(:[0-9]{1,5})?(\/[a-z0-9]([-._a-z0-9]*[a-z0-9])?)*$/,
    words: 'a registry with a path, such as "registry.example.com/regent"',
  }),
  cluster: clusterSettings.meta({ description: 'what Regent decides by and does not change' }),
  foundation: foundationSettings.prefault({}).meta({ description: 'namespaces, quotas, priorities and storage' }),
  agent: agentSettings.meta({ description: 'the agent: replicas of one program, of which one leads' }),
  controlPlane: controlPlaneSettings
    .nullable()
    .default(null)
    .meta({ description: 'the control plane; `null`: agents connect to one elsewhere' }),
  consensus: consensusSettings
    .nullable()
    .default(null)
    .meta({ description: 'the etcd of the control plane; `null` exactly where there is no control plane' }),
})

/** What an environment file may write: everything without a default, and whatever deviates from one. */
export type EnvironmentInput = z.input<typeof environmentSchema>

/** A parsed environment: complete, read-only. */
export type Environment = DeepReadonly<z.output<typeof environmentSchema>>

export type DeepReadonly<T> = T extends readonly (infer E)[]
  ? readonly DeepReadonly<E>[]
  : T extends object
    ? { readonly [K in keyof T]: DeepReadonly<T[K]> }
    : T
