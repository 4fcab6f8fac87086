import { containersOf } from '../lib/checks/pods.ts'
import { workloadsOf } from '../lib/checks/workloads.ts'
import { type ImageLock, Images } from '../lib/images/lock.ts'
import type { Rendered } from '../lib/render.ts'

/** An image that an environment runs. */
export interface UsedImage {
  readonly environment: string
  /** Its name in the lock. */
  readonly name: string
  readonly reference: string
  /** Whether it is pulled by its digest. */
  readonly locked: boolean
}

/** The images in the pods of an environment, each once, by name. */
export function usedImages({ environment, index }: Rendered, lock: ImageLock): readonly UsedImage[] {
  if (environment === undefined || index === undefined) return []
  const images = new Images(lock, environment.registry)
  const names = new Map(Object.keys(lock).map((name) => [images.reference(name), name]))
  const references = workloadsOf(index).flatMap(({ template }) => containersOf(template.spec).map(({ image }) => image))
  return [...new Set(references)]
    .map((reference) => ({
      environment: environment.name,
      name: names.get(reference) ?? '',
      reference,
      locked: reference.includes('@'),
    }))
    .toSorted((a, b) => (a.name < b.name ? -1 : 1))
}
