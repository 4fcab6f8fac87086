import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import { run } from './command-line.ts'
import { stripped } from './elf.ts'
import { lockedPackage } from './package-lock.ts'
import { type Architecture, nodePackages } from './platform.ts'
import { tarEntries } from './tar.ts'

/** Node for one architecture, without symbols, as the locked npm package has it. */
export interface NodeBinary {
  readonly program: Buffer
  readonly license: Buffer
}

/**
 * Node as the project's lock names it: from `node_modules` where npm installed it, otherwise the same package by npm,
 * checked against the lock's digest. npm installs the package of the machine's architecture alone.
 *
 * @param scratch an empty folder for what is fetched
 * @throws when the lock does not name the package, or what npm gave is another
 */
export async function nodeBinary(architecture: Architecture, top: string, scratch: string): Promise<NodeBinary> {
  const name = nodePackages[architecture]
  const { version, integrity } = await lockedPackage(top, `node_modules/${name}`)
  const folder = join(top, 'node_modules', name)
  const installed = await readFile(join(folder, 'package.json'), 'utf8').catch(() => undefined)
  if (installed !== undefined && (JSON.parse(installed) as { version?: string }).version === version) {
    const [program, license] = await Promise.all([
      readFile(join(folder, 'bin/node')),
      readFile(join(folder, 'LICENSE')),
    ])
    return { program: stripped(program), license }
  }
  const printed = await run(['npm', 'pack', `${name}@${version}`, '--json', '--pack-destination', scratch], {
    cwd: top,
  })
  const file = (JSON.parse(printed) as readonly { filename: string }[])[0]?.filename ?? ''
  const archive = await readFile(join(scratch, file))
  const digest = `sha512-${createHash('sha512').update(archive).digest('base64')}`
  if (digest !== integrity) {
    throw new Error(`${name}@${version}: expected ${integrity} as package-lock.json says, got ${digest}; do not use it`)
  }
  const entries = new Map([...tarEntries(gunzipSync(archive))].map(({ path, content }) => [path, content]))
  const program = entries.get('package/bin/node')
  const license = entries.get('package/LICENSE')
  if (program === undefined || license === undefined)
    throw new Error(`${name}@${version}: expected bin/node and LICENSE`)
  return { program: stripped(program), license }
}
