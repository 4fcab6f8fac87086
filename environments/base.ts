import { layer } from '../lib/config/layer.ts'
import { site } from './site.ts'

/** What every environment shares. */
export const base = layer(import.meta, {
  repositoryUrl: site.repositoryUrl,
  registry: site.registry,
})
