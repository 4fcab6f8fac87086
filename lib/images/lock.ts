import { readFileSync } from 'node:fs'
import { z } from 'zod'

const entry = z.strictObject({
  /** Where a third-party image is pulled from; an image of our own comes from the environment's registry. */
  repository: z.string().max(255).optional(),
  /** Exact version: the tag. */
  version: z
    .string()
    .max(128)
    .regex(/^(?!latest$)[A-Za-z0-9_][-A-Za-z0-9_.]*$/),
  /** Digest of the image, once it is known: of its index where it has several architectures. */
  digest: z
    .string()
    .regex(/^sha256:[0-9a-f]{64}$/)
    .optional(),
})
const lock = z.record(z.string(), entry)

/** Version and digest of every image, by the name under which the constructs ask for it. */
export type ImageLock = Readonly<z.infer<typeof lock>>

/** The lock's file at the top of the project. */
export const imageLockFile = new URL('../../images.lock.json', import.meta.url)

/** Reads the lock. Throws when it is no lock. */
export function readImageLock(): ImageLock {
  return lock.parse(JSON.parse(readFileSync(imageLockFile, 'utf8')))
}

/** The images of one environment. */
export class Images {
  readonly #lock: ImageLock
  readonly #registry: string

  /** @param registry that images of our own are pulled from */
  constructor(lock: ImageLock, registry: string) {
    this.#lock = lock
    this.#registry = registry
  }

  /**
   * The reference under which an image is pulled: by digest once it is locked, by its exact version until then.
   *
   * @throws when the lock does not know the image
   */
  reference(name: string): string {
    const entry = this.#lock[name]
    if (entry === undefined) {
      throw new Error(
        `images.lock.json: expected an image '${name}', got ${Object.keys(this.#lock).join(', ')}; add it`,
      )
    }
    const tagged = `${entry.repository ?? `${this.#registry}/${name}`}:${entry.version}`
    return entry.digest === undefined ? tagged : `${tagged}@${entry.digest}`
  }
}
