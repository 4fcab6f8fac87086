import { mkdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Buildah, type Compression } from './buildah.ts'
import { type ContextProps, prepareContext } from './context.ts'
import { ImageLayout, type PlatformImage } from './layout.ts'
import { type Component, debianComponent, spdx } from './sbom.ts'
import type { TarEntry } from './tar.ts'

export interface BuildProps extends ContextProps {
  /** @default 'gzip' */
  readonly compression?: Compression
}

/** An image that was built and is nowhere yet. */
export interface BuiltImage {
  readonly layout: ImageLayout
  /** Of the index of all platforms. */
  readonly digest: string
  readonly images: readonly PlatformImage[]
  /** The bill of materials of all platforms: SPDX in JSON. */
  readonly sbom: string
  /** Pushes it to a registry. @returns the digest that the registry has it by */
  readonly push: (reference: string) => Promise<string>
}

/**
 * Builds an image with buildah.
 *
 * @param folder an empty one, for whatever the build leaves; the image is in it, so it outlives this call
 * @throws CommandError when buildah is not there or fails
 */
export async function buildImage(folder: string, props: BuildProps): Promise<BuiltImage> {
  await mkdir(folder, { recursive: true })
  const buildah = new Buildah(folder)
  await buildah.require()
  const context = join(folder, 'context')
  const components = await prepareContext(context, props)
  await buildah.build(context, props.architectures, props.compression ?? 'gzip')
  const digestFile = join(folder, 'digest')
  await buildah.push(`oci:${join(folder, 'layout')}:${props.version}`, digestFile)
  const layout = await ImageLayout.open(join(folder, 'layout'))
  const images = await layout.images()
  const debian = await Promise.all(images.map(async (image) => debianComponents(await layout.entries(image))))
  return {
    layout,
    digest: layout.digest,
    images,
    sbom: spdx({ name: `regent-${props.image.name}`, version: props.version }, [...components, ...debian.flat()]),
    push: async (reference) => {
      await buildah.push(`docker://${reference}`, digestFile)
      return (await readFile(digestFile, 'utf8')).trim()
    },
  }
}

/** The Debian packages that an image says it has files of. @throws when it says of none */
export function debianComponents(entries: readonly TarEntry[]): readonly Component[] {
  const release = entries.find(({ path }) => path === 'etc/os-release')?.content.toString() ?? ''
  const field = (name: string): string => new RegExp(`^${name}="?([^"\n]+)"?$`, 'm').exec(release)?.[1] ?? 'unknown'
  const paragraphs = entries.filter(({ path, type }) => type === 'file' && path.startsWith('var/lib/dpkg/status.d/'))
  if (paragraphs.length === 0)
    throw new Error('expected Debian packages in var/lib/dpkg/status.d of the image, got none')
  const distribution = `${field('ID')}-${field('VERSION_ID')}`
  return paragraphs.map(({ content }) => debianComponent(content.toString(), distribution))
}
