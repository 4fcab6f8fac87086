import { cp, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { bundle } from './bundle.ts'
import { bundledPackages, noticesText } from './bundled-packages.ts'
import type { ImageDeclaration } from './declaration.ts'
import { nodeBinary } from './node-binary.ts'
import { lockedPackage } from './package-lock.ts'
import { type Architecture, nodePackages } from './platform.ts'
import { type Component, nodeComponent, npmComponent, spdx } from './sbom.ts'

export interface ContextProps {
  readonly image: ImageDeclaration
  readonly version: string
  /** The Debian image that the C library is taken from. */
  readonly base: string
  /** Where the source is published. */
  readonly source: string
  readonly architectures: readonly Architecture[]
  /** The top of the project. */
  readonly top: string
}

/**
 * Writes everything that the Dockerfile needs into a folder: the Dockerfile itself with its arguments filled in, the
 * bundled program, its bill of materials and licences, and Node per architecture. `docker build` of that folder needs
 * nothing else but the base.
 *
 * @returns what the image consists of, apart from the packages of the base
 * @throws when the folder is not empty, and when something that goes into it does not fit
 */
export async function prepareContext(folder: string, props: ContextProps): Promise<readonly Component[]> {
  const { image, version, base, source, architectures, top } = props
  await mkdir(folder, { recursive: true })
  if ((await readdir(folder)).length > 0) throw new Error(`${folder}: expected an empty folder, got one with files`)

  const dockerfile = await readFile(join(top, image.workspace, 'Dockerfile'), 'utf8')
  await writeFile(
    join(folder, 'Dockerfile'),
    withArguments(dockerfile, { BASE: base, VERSION: version, SOURCE: source }),
  )
  await cp(join(import.meta.dirname, 'assemble.sh'), join(folder, 'assemble.sh'))

  const { files, sources } = await bundle(
    [image.main, ...image.others].map((main) => join(top, image.workspace, main)),
    top,
  )
  for (const [name, content] of files) await write(join(folder, 'program/app', name), content)
  const packages = await bundledPackages(sources, top)
  const name = `regent-${image.name}`
  await write(join(folder, `program/usr/share/doc/${name}/third-party-notices.txt`), noticesText(packages))

  const node = await lockedPackage(top, `node_modules/${nodePackages.amd64}`)
  const components = [nodeComponent(node.version), ...packages.map(npmComponent)]
  await write(join(folder, `program/usr/share/sbom/${name}.spdx.json`), spdx({ name, version }, components))

  const scratch = await mkdtemp(join(tmpdir(), 'regent-node-'))
  try {
    for (const architecture of architectures) {
      const { program, license } = await nodeBinary(architecture, top, scratch)
      await write(join(folder, 'node', architecture, 'node'), program)
      await write(join(folder, 'node/LICENSE'), license)
    }
  } finally {
    await rm(scratch, { recursive: true, force: true })
  }
  return components
}

/**
 * A Dockerfile whose arguments have their values: each `ARG NAME` of these names, wherever it stands, gets its default.
 *
 * @throws when the Dockerfile does not take one of them, and on a value that would not stay on its line
 */
export function withArguments(dockerfile: string, values: Readonly<Record<string, string>>): string {
  return Object.entries(values).reduce((text, [name, value]) => {
    if (!/^[^\s"'\\$]+$/.test(value)) throw new Error(`${name}: expected text without spaces or quotes, got '${value}'`)
    const line = new RegExp(`^ARG ${name}$`, 'gm')
    if (!line.test(text)) throw new Error(`Dockerfile: expected a line 'ARG ${name}', got none`)
    return text.replaceAll(line, () => `ARG ${name}=${value}`)
  }, dockerfile)
}

async function write(file: string, content: string | Uint8Array): Promise<void> {
  await mkdir(dirname(file), { recursive: true })
  await writeFile(file, content)
}
