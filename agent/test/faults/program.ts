import { mkdtempSync, writeFileSync } from 'node:fs'
import { basename, join, resolve } from 'node:path'
import { bundle } from '../../../images/bundle.ts'
import { cluster } from '../../../test/cluster/state.ts'

const top = resolve(import.meta.dirname, '..', '..', '..')
const bundles = new Map<string, Promise<string>>()

/**
 * A program as the image runs it: bundled, once per process that asks. It starts several times faster than from its
 * sources, and costs as much memory as in a pod.
 *
 * @param main its module, from this folder
 * @returns the file that Node runs; it is removed with the cluster of the tests, also after they were killed
 */
export function bundled(main: string): Promise<string> {
  const known = bundles.get(main) ?? write(resolve(import.meta.dirname, main))
  bundles.set(main, known)
  return known
}

async function write(main: string): Promise<string> {
  const { files } = await bundle([main], top)
  const folder = mkdtempSync(join(cluster().folder, 'bundle-'))
  for (const [name, content] of files) writeFileSync(join(folder, name), content)
  return join(folder, `${basename(main, '.ts')}.mjs`)
}
