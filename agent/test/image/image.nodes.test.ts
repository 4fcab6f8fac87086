import { spawn } from 'node:child_process'
import { mkdtempSync } from 'node:fs'
import { readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { agent } from '@regent/contract/agent.ts'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { buildImage, type BuildProps, type BuiltImage } from '../../../images/build.ts'
import type { ImageLayout, PlatformImage } from '../../../images/layout.ts'
import { machineArchitecture } from '../../../images/platform.ts'
import type { TarEntry } from '../../../images/tar.ts'
import { resolveImage } from '../../../lib/images/registry.ts'
import { tool } from '../../../test/cluster/tools.ts'
import { agentProps, builtAgent, type BuiltAgent } from './built-agent.ts'
import { UnpackedImage } from './container.ts'

const minutes = 60_000

let built: BuiltAgent
let images: readonly PlatformImage[] = []
beforeAll(async () => {
  built = await builtAgent()
  images = await built.layout.images()
}, 15 * minutes)

/** The image of this machine's architecture: the one that can be run here. */
function native(all = images): PlatformImage {
  const image = all.find(({ architecture }) => architecture === machineArchitecture())
  if (image === undefined) throw new Error('this machine has no image')
  return image
}

/** The bundle in the image of this machine's architecture. */
async function programIn(layout: ImageLayout): Promise<Buffer> {
  const files = (await layout.entries(native(await layout.images()))).filter(({ path }) => path.startsWith('app/'))
  return Buffer.concat(files.map(({ content }) => content))
}

/** Builds once more, as somebody else would, and looks at what came of it. */
async function builtAgain(
  change: Partial<BuildProps>,
  look: (again: BuiltImage, archive: Buffer) => Promise<void> | void,
): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'regent-again-'))
  try {
    const again = await buildImage(join(folder, 'build'), { ...(await agentProps()), ...change })
    await again.layout.writeArchive(join(folder, 'again.tar'), built.archive.reference)
    await look(again, await readFile(join(folder, 'again.tar')))
  } finally {
    await rm(folder, { recursive: true })
  }
}

/** A registry on this machine, for as long as the action runs. */
async function withRegistry(action: (host: string) => Promise<void>): Promise<void> {
  const server = spawn(await tool('crane'), ['registry', 'serve', '--address', '127.0.0.1:0'], {
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  try {
    const port = await new Promise<string>((resolve, reject) => {
      server.on('error', reject)
      server.stderr.setEncoding('utf8').on('data', (text: string) => {
        const found = /serving on port (\d+)/.exec(text)?.[1]
        if (found !== undefined) resolve(found)
      })
    })
    await action(`127.0.0.1:${port}`)
  } finally {
    server.kill('SIGKILL')
  }
}

describe('the image', () => {
  test(
    'is the same when it is built again, byte for byte, whatever the umask',
    async () => {
      const before = process.umask(0o077)
      try {
        await builtAgain({}, async (again, archive) => {
          const [one, two] = await Promise.all([programIn(built.layout), programIn(again.layout)])
          if (!one.equals(two)) throw new Error('the source was edited between the two builds: run this test again')
          expect(again.digest).toBe(built.archive.digest)
          expect(again.sbom).toBe(built.sbom)
          expect(archive.equals(await readFile(built.archive.file))).toBe(true)
        })
      } finally {
        process.umask(before)
      }
    },
    10 * minutes,
  )

  test('is for both architectures, and small', () => {
    expect(images.map(({ architecture }) => architecture)).toEqual(['amd64', 'arm64'])
    for (const { bytes } of images) expect(bytes).toBeLessThan(46e6)
  })

  test(
    'is smaller with zstd, and a registry has it by the digest that is locked',
    async () => {
      const one = { compression: 'zstd', architectures: [machineArchitecture()] } as const
      await builtAgain(one, async ({ images: smaller, digest, push }) => {
        expect(smaller).toHaveLength(1)
        expect(smaller[0]?.bytes).toBeLessThan(37e6)
        await withRegistry(async (host) => {
          expect(await push(`${host}/ours/agent:0.1.0`)).toBe(digest)
          const platforms = [`linux/${machineArchitecture()}`]
          expect(await resolveImage(`${host}/ours/agent`, '0.1.0')).toEqual({ digest, platforms })
        })
      })
    },
    10 * minutes,
  )

  test('says what it is and how it runs', () => {
    for (const { configuration } of images) {
      expect(configuration.config).toMatchObject({
        User: '65532:65532',
        Entrypoint: ['/usr/local/bin/node', '/app/main.mjs'],
        Labels: {
          'org.opencontainers.image.title': 'Regent agent',
          'org.opencontainers.image.version': '0.1.0',
          'org.opencontainers.image.source': 'https://source.test/regent',
        },
      })
    }
  })
})

describe.each(['amd64', 'arm64'])('the files for %s', (architecture) => {
  let entries: readonly TarEntry[] = []
  let files: readonly TarEntry[] = []
  beforeAll(async () => {
    const image = images.find((one) => one.architecture === architecture)
    entries = await built.layout.entries(image ?? native())
    files = entries.filter(({ type }) => type === 'file')
  })

  test('belong to root, nobody else may write to them, and they have no time', () => {
    for (const { path, mode, uid, gid, modifiedSeconds } of entries) {
      expect({ path, uid, gid, others: mode & 0o7022, modifiedSeconds }).toEqual({
        ...{ path, uid: 0, gid: 0, others: 0, modifiedSeconds: 0 },
      })
    }
  })

  test('have two that can be executed: Node and its loader, for that architecture. No shell', () => {
    const executable = files.filter(({ mode }) => (mode & 0o111) !== 0)
    const loader = { amd64: 'lib64/ld-linux-x86-64.so.2', arm64: 'lib/ld-linux-aarch64.so.1' }[architecture]
    expect(executable.map(({ path }) => path).sort()).toEqual([loader, 'usr/local/bin/node'])
    const machine = architecture === 'amd64' ? 0x3e : 0xb7
    for (const { content } of executable) expect(content.readUInt16LE(0x12)).toBe(machine)
  })

  test('and everything that is bundled are in the bill of materials', () => {
    const names = new Set<string>()
    for (const { path, content } of files.filter((file) => file.path.startsWith('app/'))) {
      expect(path).toMatch(/\.mjs$/)
      // The bundler says above each part where it is from.
      const parts = content.toString().matchAll(/^\/\/ (?:.*\/)?node_modules\/((?:@[^/]+\/)?[^/]+)\//gm)
      for (const [, name = ''] of parts) names.add(name)
    }
    expect(names).toContain('pino')
    const { packages } = JSON.parse(built.sbom) as {
      packages: readonly { name: string; versionInfo: string; externalRefs?: readonly { referenceLocator: string }[] }[]
    }
    expect([...names].filter((name) => !packages.some((one) => one.name === name))).toEqual([])
    const locators = packages.flatMap(({ externalRefs }) => externalRefs?.map((one) => one.referenceLocator) ?? [])
    for (const name of ['base-files', 'libc6', 'libgcc-s1', 'libstdc%2B%2B6']) {
      const pattern = new RegExp(
        `^pkg:deb/debian/${name.replaceAll('+', '\\+')}@[^?]+\\?arch=${architecture}&distro=debian-12`,
      )
      expect(locators).toContainEqual(expect.stringMatching(pattern))
    }
    expect(locators).toContainEqual(expect.stringMatching(/^pkg:generic\/node@24\./))
  })

  test('name the licences of what is in it', () => {
    const text = (path: string): string => files.find((file) => file.path === path)?.content.toString() ?? ''
    expect(text('usr/share/doc/regent-agent/third-party-notices.txt')).toMatch(/^pino \d.*\(MIT\)$/m)
    for (const name of ['node', 'libc6', 'libgcc-s1', 'libstdc++6']) {
      expect(text(`usr/share/doc/${name}/copyright`)).toMatch(/licen[cs]e/i)
    }
  })
})

describe('as a container', () => {
  let unpacked: UnpackedImage | undefined
  beforeAll(async () => {
    unpacked = await UnpackedImage.unpack(built.layout, native())
  }, minutes)
  afterAll(() => unpacked?.remove())

  function running(): UnpackedImage {
    if (unpacked === undefined) throw new Error('the image was not unpacked')
    return unpacked
  }

  test('it is nobody, may do nothing, and can write to /tmp alone', async () => {
    const script = `
      const { readFileSync, writeFileSync } = require('node:fs')
      const write = (path) => { try { writeFileSync(path, ''); return 'ok' } catch ({ code }) { return code } }
      const status = readFileSync('/proc/self/status', 'utf8')
      console.log(JSON.stringify({
        ids: [process.getuid(), process.getgid()],
        capabilities: /CapEff:\\s*(\\w+)/.exec(status)[1],
        writes: ['/x', '/app/x', '/home/nonroot/x', '/tmp/x'].map(write),
        // Neither zones nor languages are files here: Node brings them.
        time: new Date(0).toLocaleString('de', { timeZone: 'Asia/Tokyo' }),
        roots: require('node:tls').rootCertificates.length > 100,
      }))`
    const { code, stdout, stderr } = await running().run({ command: ['/usr/local/bin/node', '-e', script] })
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    expect(JSON.parse(stdout)).toEqual({
      ids: [65532, 65532],
      capabilities: '0000000000000000',
      writes: ['EROFS', 'EROFS', 'EROFS', 'ok'],
      time: '1.1.1970, 09:00:00',
      roots: true,
    })
  })

  test('without its variables it says what is missing, and ends with 2', async () => {
    const { code, stderr } = await running().run()
    expect(code).toBe(2)
    expect(stderr).toMatch(/^AGENT_ID: expected .*, got nothing; set AGENT_ID: /m)
    expect(stderr).not.toMatch(/^ {4}at /m)
  })

  test('told to stop, it ends with 0', async () => {
    const folder = '/tmp/account'
    const { code, stdout, stderr } = await running().run({
      environment: {
        ...{ AGENT_ID: 'one', REPLICAS: '1', REGION: 'here', ENABLE_HA: 'false', NAMESPACE: 'sessions' },
        ...{ CONTROL_PLANE_URL: 'http://127.0.0.1:9', MAX_CPU: '1', MAX_MEMORY: '1Gi', LISTEN_ADDRESS: '127.0.0.1' },
        ...{ KUBERNETES_SERVICE_HOST: '127.0.0.1', KUBERNETES_SERVICE_PORT: '9', POD_IP: '127.0.0.1' },
        ...{ POD_NAME: 'pod', POD_UID: 'uid', POD_NAMESPACE: 'system', NODE_NAME: 'node' },
        [agent.env.kubernetesTokenFile.variable]: `${folder}/token`,
        [agent.env.kubernetesCaFile.variable]: `${folder}/ca.crt`,
        [agent.env.controlPlaneTokenFile.variable]: `${folder}/token`,
      },
      files: { [`${folder}/token`]: 'token', [`${folder}/ca.crt`]: 'certificate' },
      stopAt: '"started"',
    })
    expect({ code, stderr, stdout: code === 0 ? '' : stdout }).toEqual({ code: 0, stderr: '', stdout: '' })
  })
})
