import { existsSync } from 'node:fs'
import { readFile, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { buildImage, type BuildProps } from '../build.ts'
import { type ImageDeclaration, imageVersion } from '../declaration.ts'
import { ImageLayout } from '../layout.ts'
import { type Architecture, architectures } from '../platform.ts'
import { debianBase } from './debian-base.ts'
import { Images, readImageLock } from '../../lib/images/lock.ts'
import type { Archive } from '../../test/cluster/images.ts'
import { stage } from '../../test/cluster/progress.ts'
import { cluster } from '../../test/cluster/state.ts'

const top = join(import.meta.dirname, '../..')

/** An image of ours as the tests use it. */
export interface BuiltForTests {
  readonly layout: ImageLayout
  /** For `importArchive`, by the name that the manifests pull. */
  readonly archive: Archive
  /** The bill of materials: SPDX in JSON. */
  readonly sbom: string
}

/** What the tests build: from the program's Dockerfile, on the base that stands for the public one. */
export async function testedProps(
  image: ImageDeclaration,
  platforms: readonly Architecture[] = architectures,
): Promise<BuildProps> {
  return {
    ...{ image, version: await imageVersion(image, top), top, architectures: platforms },
    base: await debianBase(cluster().folder),
    source: 'https://source.test/regent',
  }
}

/**
 * An image, built once per cluster: call it in `beforeAll`, with minutes to spare.
 *
 * @param platforms what it is built for; whoever asks first decides. @default every platform
 */
export async function builtImage(image: ImageDeclaration, platforms?: readonly Architecture[]): Promise<BuiltForTests> {
  const folder = join(cluster().folder, `${image.name}-image`)
  if (!existsSync(folder)) {
    const draft = `${folder}.draft`
    const props = await testedProps(image, platforms)
    await rm(draft, { recursive: true, force: true })
    await stage(`build the image of the ${image.name}`, async () => {
      const { layout, sbom } = await buildImage(draft, props)
      await layout.writeArchive(join(draft, 'image.tar'), reference(image))
      await writeFile(join(draft, 'image.spdx.json'), sbom)
      for (const unused of ['storage', 'run', 'staging', 'context']) {
        await rm(join(draft, unused), { recursive: true, force: true })
      }
    })
    await rename(draft, folder)
  }
  const layout = await ImageLayout.open(join(folder, 'layout'))
  const sbom = await readFile(join(folder, 'image.spdx.json'), 'utf8')
  return {
    layout,
    sbom,
    archive: { file: join(folder, 'image.tar'), digest: layout.digest, reference: reference(image) },
  }
}

/** The name by which the manifests of `dev` and `local` pull an image. */
function reference({ name }: ImageDeclaration): string {
  return new Images(readImageLock(), 'ghcr.io/regent-dev').reference(name)
}
