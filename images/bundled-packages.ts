import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { packageFolderOf } from './bundle.ts'
import { type LockedPackage, lockedPackage } from './package-lock.ts'

/** An npm package of which something is in a bundle. */
export interface BundledPackage extends LockedPackage {
  readonly name: string
  /** SPDX expression, as its author declares it; absent where there is none. */
  readonly license?: string
  /** The texts that its licence asks to pass on. */
  readonly notices: readonly string[]
}

const noticeFile = /^(licen[cs]e|notice|copying)/i

/** The npm packages that sources of a bundle belong to, by name and version. @throws on one that is not locked */
export async function bundledPackages(sources: readonly string[], top: string): Promise<readonly BundledPackage[]> {
  const folders = [...new Set(sources.map(packageFolderOf).filter((folder) => folder !== undefined))]
  const packages = await Promise.all(folders.map((folder) => bundledPackage(folder, top)))
  const key = ({ name, version }: BundledPackage): string => `${name}@${version}`
  return packages.toSorted((a, b) => (key(a) < key(b) ? -1 : 1))
}

async function bundledPackage(folder: string, top: string): Promise<BundledPackage> {
  const [locked, text, names] = await Promise.all([
    lockedPackage(top, folder),
    readFile(join(top, folder, 'package.json'), 'utf8'),
    readdir(join(top, folder)),
  ])
  const { name, version, license } = JSON.parse(text) as { name: string; version: string; license?: unknown }
  if (version !== locked.version) {
    throw new Error(`${folder}: expected ${locked.version} as package-lock.json says, got ${version}; run npm ci`)
  }
  const files = names.filter((file) => noticeFile.test(file)).sort()
  const notices = await Promise.all(files.map((file) => readFile(join(top, folder, file), 'utf8')))
  return { ...locked, name, notices, ...(typeof license === 'string' && { license }) }
}

/** The licences of everything that is bundled, in one file: they ask to be passed on with the code. */
export function noticesText(packages: readonly BundledPackage[]): string {
  return packages
    .map(({ name, version, license, notices }) =>
      [
        `${name} ${version} (${license ?? 'no licence declared'})`,
        '='.repeat(78),
        ...notices.map((text) => text.trim()),
      ]
        .join('\n\n')
        .concat('\n'),
    )
    .join('\n\n')
}
