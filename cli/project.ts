import { relative, resolve } from 'node:path'

/** The folder of the project that this program belongs to. */
export const projectFolder = resolve(import.meta.dirname, '..')

/** A path as people read it: from where they are, if it lies below. */
export function shown(path: string): string {
  const fromHere = relative(process.cwd(), path)
  return fromHere === '' ? '.' : fromHere.startsWith('..') ? path : fromHere
}
