import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { resolveImage } from '../../lib/images/registry.ts'
import { ProjectCopy } from '../cli/program.ts'
import { mustRun } from '../cluster/command-line.ts'
import { tool } from '../cluster/tools.ts'

/** The first build of all times takes minutes. */
const building = 600_000

describe('a registry that others wrote', () => {
  const folder = mkdtempSync(join(tmpdir(), 'regent-registry-'))
  const copy = new ProjectCopy()
  let crane = ''
  let server: ChildProcess | undefined
  let host = ''

  beforeAll(async () => {
    crane = await tool('crane')
    server = spawn(crane, ['registry', 'serve', '--address', '127.0.0.1:0'], { stdio: ['ignore', 'ignore', 'pipe'] })
    if (server.stderr === null) throw new Error('expected the standard error of the registry')
    for await (const line of createInterface(server.stderr)) {
      const port = /serving on port ([0-9]+)/.exec(line)?.[1]
      if (port === undefined) continue
      host = `127.0.0.1:${port}`
      break
    }
    // Whatever it says afterwards must not fill the pipe.
    server.stderr.resume()
    const layer = join(folder, 'layer.tar')
    await mustRun(['tar', '--create', '--file', layer, '--directory', import.meta.dirname, 'registry-server.ts'])
    const image = `${host}/some/path/image`
    await mustRun([crane, 'append', '--oci-empty-base', '--new_layer', layer, '--new_tag', `${image}:oci`])
    await mustRun([crane, 'append', '--new_layer', layer, '--new_tag', `${image}:docker`])
    for (const [platform, tag] of [
      ['linux/amd64', 'one'],
      ['linux/arm64', 'two'],
    ] as const) {
      await mustRun([crane, 'mutate', `${image}:oci`, '--set-platform', platform, '--tag', `${image}:${tag}`])
    }
    const parts = ['--manifest', `${image}:one`, '--manifest', `${image}:two`]
    await mustRun([crane, 'index', 'append', ...parts, '--tag', `${image}:index`])
    await mustRun([crane, 'index', 'append', '--docker-empty-base', ...parts, '--tag', `${image}:list`])
  }, building)
  afterAll(async () => {
    if (server?.kill() === true) await once(server, 'close')
    rmSync(folder, { recursive: true })
    copy.remove()
  })

  test.each([
    ['an OCI image', 'oci', []],
    ['a Docker image', 'docker', []],
    ['an OCI index', 'index', ['linux/amd64', 'linux/arm64']],
    ['a Docker manifest list', 'list', ['linux/amd64', 'linux/arm64']],
  ])('gives the digest of %s that its own client names', async (_, tag, platforms) => {
    const image = `${host}/some/path/image`
    const digest = (await mustRun([crane, 'digest', `${image}:${tag}`])).trim()
    expect(await resolveImage(image, tag)).toEqual({ digest, platforms })
  })

  test('has no such version', async () => {
    await expect(resolveImage(`${host}/some/path/image`, 'none')).rejects.toThrow('expected a manifest, got status 404')
  })

  test('is what images --lock asks, and what it writes is what the client pulls', async () => {
    const repository = `${host}/some/path/image`
    const lock = { agent: { version: '1' }, 'control-plane': { version: '1' }, etcd: { repository, version: 'index' } }
    copy.write('images.lock.json', JSON.stringify(lock))
    expect(await copy.regent('images', '--lock')).toMatchObject({ code: 0, stderr: '' })
    const { stdout } = await copy.regent('images', '--json')
    const images = JSON.parse(stdout) as { name: string; reference: string; locked: boolean }[]
    const etcd = images.find(({ name }) => name === 'etcd')
    expect(etcd).toMatchObject({ locked: true })
    expect(JSON.parse(await mustRun([crane, 'manifest', etcd?.reference ?? '']))).toMatchObject({
      mediaType: 'application/vnd.oci.image.index.v1+json',
    })
  })
})
