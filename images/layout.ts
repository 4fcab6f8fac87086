import { createWriteStream } from 'node:fs'
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { gunzipSync, zstdDecompressSync } from 'node:zlib'
import { type TarEntry, tarEntries, tarOf } from './tar.ts'

interface Descriptor {
  readonly mediaType: string
  readonly digest: string
  readonly size: number
  readonly platform?: { readonly os: string; readonly architecture: string }
}

/** What of an image's configuration says how it runs. */
export interface ImageConfiguration {
  readonly architecture: string
  readonly config: {
    readonly User?: string
    readonly Env?: readonly string[]
    readonly Entrypoint?: readonly string[]
    readonly WorkingDir?: string
    readonly Labels?: Readonly<Record<string, string>>
    readonly ExposedPorts?: Readonly<Record<string, object>>
  }
}

/** The image of one platform. */
export interface PlatformImage {
  readonly architecture: string
  readonly digest: string
  /** What is pulled: the layers as they are compressed. */
  readonly bytes: number
  readonly configuration: ImageConfiguration
}

const indexType = 'application/vnd.oci.image.index.v1+json'

/**
 * A folder in OCI's image layout that holds one image, as an index of its platforms.
 *
 * @see https://github.com/opencontainers/image-spec/blob/main/image-layout.md
 */
export class ImageLayout {
  readonly #folder: string
  readonly #top: Descriptor

  private constructor(folder: string, top: Descriptor) {
    this.#folder = folder
    this.#top = top
  }

  /** @throws when the folder does not hold exactly one index */
  static async open(folder: string): Promise<ImageLayout> {
    const { manifests } = JSON.parse(await readFile(join(folder, 'index.json'), 'utf8')) as { manifests: Descriptor[] }
    const [top] = manifests
    if (top?.mediaType !== indexType || manifests.length !== 1) {
      throw new Error(
        `${folder}: expected one image as an index, got ${manifests.length} of ${top?.mediaType ?? 'none'}`,
      )
    }
    return new ImageLayout(folder, top)
  }

  /** Of the index: what a registry serves the image by, for every platform. */
  get digest(): string {
    return this.#top.digest
  }

  /** The images of the platforms, in the order of the index. */
  async images(): Promise<readonly PlatformImage[]> {
    return Promise.all(
      (await this.#manifests()).map(async ({ digest }) => {
        const { config, layers } = await this.#manifest(digest)
        const configuration = await this.#json<ImageConfiguration>(config.digest)
        const bytes = layers.reduce((sum, { size }) => sum + size, 0)
        return { architecture: configuration.architecture, digest, bytes, configuration }
      }),
    )
  }

  /** Every file, folder and link of a platform's image, layer by layer. */
  async entries(image: Pick<PlatformImage, 'digest'>): Promise<readonly TarEntry[]> {
    const { layers } = await this.#manifest(image.digest)
    const contents = await Promise.all(
      layers.map(async ({ mediaType, digest }) => {
        const blob = await this.#blob(digest)
        return [...tarEntries(mediaType.endsWith('+zstd') ? zstdDecompressSync(blob) : gunzipSync(blob))]
      }),
    )
    return contents.flat()
  }

  /**
   * Writes the layout into one file that containerd, Docker, Podman and skopeo read. The same image gives the same
   * bytes, whenever and wherever it is written.
   *
   * @param reference the full name, with the version, that whoever imports it gives the image
   */
  async writeArchive(file: string, reference: string): Promise<void> {
    const annotations = {
      'io.containerd.image.name': reference,
      'org.opencontainers.image.ref.name': reference.slice(reference.lastIndexOf(':') + 1),
    }
    const index = { schemaVersion: 2, mediaType: indexType, manifests: [{ ...this.#top, annotations }] }
    const blobs = (await readdir(join(this.#folder, 'blobs/sha256'))).sort()
    const contents = await Promise.all(
      blobs.map(async (name) => [`blobs/sha256/${name}`, await this.#blob(`sha256:${name}`)] as const),
    )
    const files: readonly (readonly [string, Buffer])[] = [
      ['oci-layout', Buffer.from('{"imageLayoutVersion":"1.0.0"}')],
      ['index.json', Buffer.from(JSON.stringify(index))],
      ...contents,
    ]
    await pipeline(Readable.from(tarOf(files)), createWriteStream(file))
  }

  async #manifests(): Promise<readonly Descriptor[]> {
    return (await this.#json<{ manifests: readonly Descriptor[] }>(this.#top.digest)).manifests
  }

  #manifest(digest: string): Promise<{ readonly config: Descriptor; readonly layers: readonly Descriptor[] }> {
    return this.#json(digest)
  }

  async #json<T>(digest: string): Promise<T> {
    return JSON.parse((await this.#blob(digest)).toString()) as T
  }

  #blob(digest: string): Promise<Buffer> {
    return readFile(join(this.#folder, 'blobs', digest.replace(':', '/')))
  }
}
