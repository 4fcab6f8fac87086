import type { Problem } from '@regent/contract/problem.ts'
import type { ImageLock } from './lock.ts'
import { RegistryError, type ResolvedImage } from './registry.ts'

/** What locking found for one image. */
export interface LockChange {
  readonly name: string
  readonly reference: string
  readonly digest: string
  readonly platforms: readonly string[]
  /** Digest that was locked for the same version before, if it was another one: the tag has moved. */
  readonly movedFrom?: string
}

/** A new lock, or what stands in its way. */
export interface LockAttempt {
  readonly lock: ImageLock
  readonly changes: readonly LockChange[]
  readonly problems: readonly Problem[]
}

/** Names of the images that a registry of somebody else serves. Our own are locked by their builds. */
export function thirdPartyNames(lock: ImageLock): readonly string[] {
  return Object.keys(lock).filter((name) => lock[name]?.repository !== undefined)
}

/** Asks the registries for the digests of third-party images, all at once. */
export async function lockImages(
  lock: ImageLock,
  names: readonly string[],
  resolve: (repository: string, version: string) => Promise<ResolvedImage>,
): Promise<LockAttempt> {
  const attempts = await Promise.all(
    names.map(async (name): Promise<LockChange | Problem | undefined> => {
      const image = lock[name]
      if (image?.repository === undefined) return undefined
      try {
        const { digest, platforms } = await resolve(image.repository, image.version)
        const reference = `${image.repository}:${image.version}@${digest}`
        const moved = image.digest !== undefined && image.digest !== digest && { movedFrom: image.digest }
        return { name, reference, digest, platforms, ...moved }
      } catch (error) {
        if (!(error instanceof RegistryError)) throw error
        return error.problem
      }
    }),
  )
  const changes = attempts.filter((one) => one !== undefined && 'digest' in one)
  const locked = Object.fromEntries(
    changes.map(({ name, digest }) => [name, { ...lock[name], version: lock[name]?.version ?? '', digest }]),
  )
  return {
    lock: { ...lock, ...locked },
    changes,
    problems: attempts.filter((one) => one !== undefined && 'severity' in one),
  }
}
