import { mkdtempSync, rmSync } from 'node:fs'
import { mkdir, writeFile } from 'node:fs/promises'
import { constants, tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { Command, Option } from 'commander'
import { site } from '../environments/site.ts'
import { readImageLock, writeImageLock } from '../lib/images/lock.ts'
import { buildImage } from './build.ts'
import type { Compression } from './buildah.ts'
import { CommandError } from './command-line.ts'
import { prepareContext } from './context.ts'
import { imageDeclarations, imageVersion } from './declaration.ts'
import { baseReference, lockAfterPush, publishedName, pushReference } from './publication.ts'
import { parsePlatforms } from './platform.ts'

const top = resolve(import.meta.dirname, '..')
/** npm runs the script in the workspace; paths are meant from where its user stands. */
const here = process.env['INIT_CWD'] ?? process.cwd()

interface Options {
  readonly output?: string
  readonly platform: string
  readonly base?: string
  readonly compression: Compression
  readonly context?: string
  readonly push?: string | true
}

async function build(name: string, options: Options): Promise<void> {
  const image = imageDeclarations.get(name)
  if (image === undefined) {
    throw new CommandError(`expected an image of ours (${[...imageDeclarations.keys()].join(', ')}), got '${name}'`)
  }
  const lock = readImageLock()
  const version = await imageVersion(image, top)
  const published = publishedName(site.registry, name, version, lock)
  const reference = options.push === undefined ? undefined : pushReference(options.push, published, version)
  const props = {
    ...{ image, version, top, source: site.repositoryUrl },
    architectures: parsePlatforms(options.platform),
    base: options.base ?? baseReference(lock),
    compression: options.compression,
  }
  if (options.context !== undefined) {
    await prepareContext(resolve(here, options.context), props)
    console.log(`docker buildx build --platform ${options.platform} --tag ${published} ${options.context}`)
    return
  }

  const folder = mkdtempSync(join(tmpdir(), 'regent-image-'))
  process.once('exit', () => rmSync(folder, { recursive: true, force: true }))
  const built = await buildImage(folder, props)
  const output = resolve(here, options.output ?? join(top, '.images', `${name}-${version}.tar`))
  await mkdir(dirname(output), { recursive: true })
  await built.layout.writeArchive(output, published)
  await writeFile(`${output}.spdx.json`, built.sbom)
  for (const { architecture, bytes, digest } of built.images) {
    console.log(`linux/${architecture}  ${(bytes / 1e6).toFixed(1)} MB ${options.compression}  ${digest}`)
  }
  console.log(`${published}@${built.digest}`)
  console.log(output)
  if (reference === undefined) {
    console.log('not pushed, so images.lock.json does not name it: no registry could serve it')
    return
  }
  const digest = await built.push(reference)
  const { lock: locked, remark } = lockAfterPush({ lock, name, version, published, reference, digest })
  if (locked !== lock) writeImageLock(locked)
  console.log(`pushed ${reference}@${digest}\n${remark}`)
}

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  // What is to be removed and whom to end is known to the handlers of `exit`.
  process.once(signal, () => process.exit(128 + constants.signals[signal]))
}

const program = new Command('image')
  .description('build the image of a program of ours: reproducible, for every platform, with a bill of materials')
  .argument('<name>', `one of ${[...imageDeclarations.keys()].join(', ')}`)
  .option('--output <file>', 'where the image goes, as an OCI archive (default: .images/<name>-<version>.tar)')
  .option('--platform <list>', 'platforms, separated by commas', 'linux/amd64,linux/arm64')
  .option('--base <image>', 'Debian image that the C library is taken from (default: `debian` of images.lock.json)')
  .addOption(new Option('--compression <how>', 'of the layers').choices(['gzip', 'zstd']).default('gzip'))
  .option('--context <folder>', 'only prepare the folder that `docker build` takes')
  .option('--push [reference]', 'push it and write its digest to images.lock.json (default: the registry of the site)')
  .addHelpText(
    'after',
    `
Examples:
  $ npm run image -w agent
  $ npm run image -w agent -- --platform linux/arm64 --output agent.tar
  $ npm run image -w agent -- --push
  $ npm run image -w agent -- --context /tmp/agent && docker buildx build /tmp/agent`,
  )
  .action(build)

try {
  await program.parseAsync()
} catch (error) {
  console.error(`error: ${error instanceof Error ? error.message : String(error)}`)
  process.exitCode = 1
}
