import { createHash } from 'node:crypto'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals'
import { ImageLayout } from '../layout.ts'
import { tarEntries, tarOf } from '../tar.ts'
import { recompressLayers } from '../zstd-layers.ts'

const type = 'application/vnd.oci.image'
let folder = ''
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'regent-layout-'))
  mkdirSync(join(folder, 'blobs/sha256'), { recursive: true })
  writeTop([image('amd64'), image('arm64')])
})
afterEach(() => rmSync(folder, { recursive: true }))

function blob(mediaType: string, content: Buffer | object) {
  const bytes = Buffer.isBuffer(content) ? content : Buffer.from(JSON.stringify(content))
  const hash = createHash('sha256').update(bytes).digest('hex')
  writeFileSync(join(folder, 'blobs/sha256', hash), bytes)
  return { mediaType: `${type}.${mediaType}`, digest: `sha256:${hash}`, size: bytes.length }
}

/** An image of two layers, of which one is the same for every architecture. */
function image(architecture: string) {
  const layers = [architecture, 'shared'].map((name) =>
    blob('layer.v1.tar+gzip', gzipSync(Buffer.concat([...tarOf([[name, Buffer.alloc(4096, name)]])]))),
  )
  const config = blob('config.v1+json', { architecture, config: { User: '1:1' } })
  return { ...blob('manifest.v1+json', { config, layers }), platform: { os: 'linux', architecture } }
}

function writeTop(manifests: readonly object[]): void {
  writeFileSync(join(folder, 'index.json'), JSON.stringify({ schemaVersion: 2, manifests }))
}

/** As buildah does it: an index of what stood side by side. */
async function opened(): Promise<ImageLayout> {
  const { manifests } = JSON.parse(readFileSync(join(folder, 'index.json'), 'utf8')) as { manifests: object[] }
  writeTop([blob('index.v1+json', { manifests })])
  return ImageLayout.open(folder)
}

async function contents(layout: ImageLayout) {
  const images = await layout.images()
  const paths = await Promise.all(images.map(async (one) => (await layout.entries(one)).map(({ path }) => path)))
  return images.map(({ architecture }, index) => [architecture, paths[index]])
}

const expected = [
  ['amd64', ['amd64', 'shared']],
  ['arm64', ['arm64', 'shared']],
]

describe('a layout', () => {
  test('tells the images in it, and their files', async () => {
    expect(await contents(await opened())).toEqual(expected)
  })

  test('has the same files after its layers were compressed in another way, and another digest', async () => {
    const before = (await (await opened()).images()).map(({ digest }) => digest)
    writeTop([image('amd64'), image('arm64')])
    await recompressLayers(folder)
    const layout = await opened()
    expect(await contents(layout)).toEqual(expected)
    for (const { digest } of await layout.images()) expect(before).not.toContain(digest)
  })

  test('gives the same archive each time, under the name that it is given', async () => {
    const layout = await opened()
    const files = ['one.tar', 'two.tar'].map((name) => join(folder, name))
    for (const file of files) await layout.writeArchive(file, 'r.example:5000/agent:1.2.3')
    const [one, two] = files.map((file) => readFileSync(file))
    expect(one?.equals(two ?? Buffer.alloc(0))).toBe(true)
    const index = [...tarEntries(one ?? Buffer.alloc(0))].find(({ path }) => path === 'index.json')
    expect(JSON.parse(index?.content.toString() ?? '')).toMatchObject({
      manifests: [
        {
          digest: layout.digest,
          annotations: {
            'io.containerd.image.name': 'r.example:5000/agent:1.2.3',
            'org.opencontainers.image.ref.name': '1.2.3',
          },
        },
      ],
    })
  })

  test('fails if it holds several images', async () => {
    await expect(ImageLayout.open(folder)).rejects.toThrow(/expected one image as an index, got 2/)
  })
})
