import { createHash } from 'node:crypto'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { constants, gunzip, zstdCompress } from 'node:zlib'

interface Descriptor {
  readonly mediaType: string
  readonly digest: string
  readonly size: number
}

const compress = promisify(zstdCompress)
const decompress = promisify(gunzip)
/** Twice the time of gzip's highest. The highest of zstd takes ten times that, for a twentieth less. */
const level = 12
const layerType = 'application/vnd.oci.image.layer.v1.tar'

/**
 * Compresses the layers of every image in a folder of OCI's layout by zstd instead of gzip, as its authors wrote it:
 * the implementation in buildah leaves them a fifth larger at every level. What was there before stays beside it: two
 * images may share a layer.
 */
export async function recompressLayers(folder: string): Promise<void> {
  const file = join(folder, 'index.json')
  const index = JSON.parse(await readFile(file, 'utf8')) as { readonly manifests: readonly Descriptor[] }
  const manifests = []
  for (const descriptor of index.manifests) manifests.push({ ...descriptor, ...(await compressed(folder, descriptor)) })
  await writeFile(file, JSON.stringify({ ...index, manifests }))
}

/** Compresses the layers of one image. @returns what its manifest is now */
async function compressed(folder: string, { digest }: Descriptor): Promise<Pick<Descriptor, 'digest' | 'size'>> {
  const manifest = JSON.parse((await readBlob(folder, digest)).toString()) as { readonly layers: readonly Descriptor[] }
  const layers = []
  for (const layer of manifest.layers) {
    if (layer.mediaType !== `${layerType}+gzip`) {
      layers.push(layer)
      continue
    }
    const content = await compress(await decompress(await readBlob(folder, layer.digest)), {
      params: { [constants.ZSTD_c_compressionLevel]: level, [constants.ZSTD_c_checksumFlag]: 1 },
    })
    layers.push({ ...layer, mediaType: `${layerType}+zstd`, ...(await writeBlob(folder, content)) })
  }
  return writeBlob(folder, Buffer.from(JSON.stringify({ ...manifest, layers })))
}

async function writeBlob(folder: string, content: Buffer): Promise<Pick<Descriptor, 'digest' | 'size'>> {
  const digest = `sha256:${createHash('sha256').update(content).digest('hex')}`
  await writeFile(pathOf(folder, digest), content)
  return { digest, size: content.length }
}

function readBlob(folder: string, digest: string): Promise<Buffer> {
  return readFile(pathOf(folder, digest))
}

function pathOf(folder: string, digest: string): string {
  return join(folder, 'blobs', digest.replace(':', '/'))
}
