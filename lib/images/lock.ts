import { readFileSync, renameSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { type Problem, printed } from '@regent/contract/problem.ts'
import { z } from 'zod'

const entry = z.strictObject({
  /** Where a third-party image is pulled from; an image of our own comes from the environment's registry. */
  repository: z
    .string()
    .max(255)
    .regex(/^[^\s:@/]+(:[0-9]+)?(\/[^\s:@/]+)+$/, { error: 'a registry and a path, without version or digest' })
    .optional(),
  /** Exact version: the tag. */
  version: z
    .string()
    .max(128)
    .regex(/^(?!latest$)[A-Za-z0-9_][-A-Za-z0-9_.]*$/, { error: 'the exact version, as the tag names it' }),
  /** Digest of the image, once it is known: of its index where it has several architectures. */
  digest: z
    .string()
    .regex(/^sha256:[0-9a-f]{64}$/, { error: 'a digest: `sha256:` and 64 hexadecimal digits' })
    .optional(),
})
const lock = z.record(z.string(), entry)

/** One image of the lock. */
export type LockedImage = Readonly<z.infer<typeof entry>>
/** Version and digest of every image, by the name under which the constructs ask for it. */
export type ImageLock = Readonly<Record<string, LockedImage>>

/** The lock's name in problems. */
export const imageLockName = 'images.lock.json'
/** The lock's file at the top of the project. */
export const imageLockFile = fileURLToPath(new URL(`../../${imageLockName}`, import.meta.url))

/** The lock is none, or does not know an image. */
export class ImageLockError extends Error {
  readonly problems: readonly Problem[]

  constructor(problems: readonly Problem[]) {
    super(problems.map(({ path, expected }) => `${path}: expected ${expected}`).join('\n'))
    this.problems = problems
  }
}

/**
 * Reads the lock.
 *
 * @throws ImageLockError when it is no lock, with everything that is wrong with it
 */
export function readImageLock(file = imageLockFile): ImageLock {
  let content: unknown
  try {
    content = JSON.parse(readFileSync(file, 'utf8'))
  } catch (error) {
    const received = error instanceof Error ? error.message : String(error)
    const fix = 'take it back from the repository'
    throw new ImageLockError([
      { path: imageLockName, received, expected: 'a file with JSON', fix, severity: 'error', source: imageLockName },
    ])
  }
  const parsed = lock.safeParse(content, { reportInput: true })
  if (parsed.success) return parsed.data
  throw new ImageLockError(
    parsed.error.issues.map((issue) => ({
      path: [imageLockName, ...issue.path.map(String)].join('.'),
      received: issue.code === 'unrecognized_keys' ? issue.keys.join(', ') : printed(issue.input),
      expected: issue.code === 'unrecognized_keys' ? 'repository, version and digest alone' : issue.message,
      fix: 'correct it',
      severity: 'error',
      source: imageLockName,
    })),
  )
}

/** Writes the lock: names sorted, every entry in the same order of fields, nothing half written. */
export function writeImageLock(images: ImageLock, file = imageLockFile): void {
  const staged = `${file}.new`
  writeFileSync(staged, lockText(images))
  renameSync(staged, file)
}

/** The lock's file as it is written. */
export function lockText(images: ImageLock): string {
  const entries = Object.entries(images).toSorted(([a], [b]) => (a < b ? -1 : 1))
  const ordered = entries.map(([name, { repository, version, digest }]) => [name, { repository, version, digest }])
  return `${JSON.stringify(Object.fromEntries(ordered), null, 2)}\n`
}

/** The images of one environment. */
export class Images {
  readonly #lock: ImageLock
  readonly #registry: string

  /** @param registry that images of our own are pulled from */
  constructor(images: ImageLock, registry: string) {
    this.#lock = images
    this.#registry = registry
  }

  /**
   * The reference under which an image is pulled: by digest once it is locked, by its exact version until then.
   *
   * @throws ImageLockError when the lock does not know the image
   */
  reference(name: string): string {
    const image = Object.hasOwn(this.#lock, name) ? this.#lock[name] : undefined
    if (image === undefined) {
      throw new ImageLockError([
        {
          path: `${imageLockName}.${name}`,
          received: 'nothing',
          expected: 'an entry with the version of this image',
          fix: `add it; there are ${Object.keys(this.#lock).join(', ')}`,
          severity: 'error',
          source: imageLockName,
        },
      ])
    }
    const tagged = `${image.repository ?? `${this.#registry}/${name}`}:${image.version}`
    return image.digest === undefined ? tagged : `${tagged}@${image.digest}`
  }
}
