import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join, resolve } from 'node:path'
import { bundle } from '../../../images/bundle.ts'

const top = resolve(import.meta.dirname, '..', '..', '..')
const bundles = new Map<string, Promise<string>>()

/**
 * A program as the image runs it: bundled, once per process that asks. It starts several times faster than from its
 * sources, and costs as much memory as in a pod.
 *
 * @param main its module, from this folder
 * @returns the file that Node runs; it is removed when this process ends
 */
export function bundled(main: string): Promise<string> {
  const known = bundles.get(main) ?? write(resolve(import.meta.dirname, main))
  bundles.set(main, known)
  return known
}

async function write(main: string): Promise<string> {
  const { files } = await bundle(main, top)
  const folder = mkdtempSync(join(tmpdir(), 'regent-bundle-'))
  process.once('exit', () => rmSync(folder, { recursive: true, force: true }))
  for (const [name, content] of files) writeFileSync(join(folder, name), content)
  return join(folder, `${basename(main, '.ts')}.mjs`)
}
