import { readFile } from 'node:fs/promises'
import { join } from 'node:path'

/** What `package-lock.json` says of one package. */
export interface LockedPackage {
  readonly version: string
  /** `sha512-…` of the archive that the registry serves. */
  readonly integrity: string
}

/**
 * What the project's lock says of a package.
 *
 * @param folder as the lock names it: `node_modules/pino`
 * @throws when the lock does not name it, or names it without a digest
 */
export async function lockedPackage(top: string, folder: string): Promise<LockedPackage> {
  const lock = JSON.parse(await readFile(join(top, 'package-lock.json'), 'utf8')) as {
    packages: Readonly<Record<string, Partial<LockedPackage> | undefined>>
  }
  const { version, integrity } = lock.packages[folder] ?? {}
  if (version === undefined || integrity === undefined) {
    throw new Error(`package-lock.json: expected version and integrity of ${folder}, got none; run npm install`)
  }
  return { version, integrity }
}
