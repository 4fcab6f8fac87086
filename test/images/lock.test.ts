import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals'
import {
  imageLockFile,
  ImageLockError,
  Images,
  lockText,
  readImageLock,
  writeImageLock,
} from '../../lib/images/lock.ts'
import { lockImages, thirdPartyNames } from '../../lib/images/lock-images.ts'
import { RegistryError, type ResolvedImage } from '../../lib/images/registry.ts'

const digest = `sha256:${'a'.repeat(64)}`
const other = `sha256:${'b'.repeat(64)}`
let folder = ''
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'regent-lock-'))
})
afterEach(() => rmSync(folder, { recursive: true }))

describe('the lock', () => {
  test('of the project is written as it would be written again, and follows no tag that moves by design', () => {
    const text = readFileSync(imageLockFile, 'utf8')
    expect(lockText(readImageLock())).toBe(text)
    expect(text).not.toContain('"latest"')
  })

  test('is written sorted, in one order of fields, and leaves nothing beside it', () => {
    const file = join(folder, 'lock.json')
    writeImageLock({ b: { digest, version: '2', repository: 'r.example/b' }, a: { version: '1' } }, file)
    expect(readFileSync(file, 'utf8')).toBe(
      `{\n  "a": {\n    "version": "1"\n  },\n  "b": {\n    "repository": "r.example/b",\n    "version": "2",\n    "digest": "${digest}"\n  }\n}\n`,
    )
    expect(readdirSync(folder)).toEqual(['lock.json'])
  })

  test.each([
    ['it is no JSON', '{', /JSON/],
    ['the version moves', '{"a":{"version":"latest"}}', /exact version/],
    ['the digest is none', `{"a":{"version":"1","digest":"${digest}0"}}`, /64 hexadecimal digits/],
    ['the repository has a version', '{"a":{"version":"1","repository":"r.example/a:1"}}', /without version or digest/],
    ['the repository has no registry', '{"a":{"version":"1","repository":"a"}}', /a registry and a path/],
    ['a field is unknown', '{"a":{"version":"1","tag":"1"}}', /repository, version and digest alone/],
    ['it is a list', '[]', /record/],
  ])('fails if %s', (_, text, expected) => {
    const file = join(folder, 'lock.json')
    writeFileSync(file, text)
    expect(() => readImageLock(file)).toThrow(ImageLockError)
    expect(() => readImageLock(file)).toThrow(expected)
  })

  test('fails if it is not there', () => {
    expect(() => readImageLock(join(folder, 'none.json'))).toThrow(ImageLockError)
  })
})

describe('images', () => {
  const images = new Images(
    { agent: { version: '1', digest }, etcd: { version: '2', repository: 'r.example/etcd' } },
    'mine.example/regent',
  )

  test('are pulled by digest once it is known, ours from the registry of the environment', () => {
    expect(images.reference('agent')).toBe(`mine.example/regent/agent:1@${digest}`)
    expect(images.reference('etcd')).toBe('r.example/etcd:2')
  })

  test.each(['redis', 'constructor'])('fails if the lock does not know %s', (name) => {
    expect(() => images.reference(name)).toThrow(ImageLockError)
  })
})

describe('locking', () => {
  const lock = {
    agent: { version: '1' },
    etcd: { version: '2', repository: 'r.example/etcd', digest: other },
    redis: { version: '3', repository: 'r.example/redis' },
  }
  const answer: ResolvedImage = { digest, platforms: ['linux/amd64'] }

  test('is for images of others', () => {
    expect(thirdPartyNames(lock)).toEqual(['etcd', 'redis'])
  })

  test('takes the digest of each version, and says which tag has moved', async () => {
    const asked: string[] = []
    const attempt = await lockImages(lock, ['etcd', 'redis'], (repository, version) => {
      asked.push(`${repository}:${version}`)
      return Promise.resolve(answer)
    })
    expect(asked).toEqual(['r.example/etcd:2', 'r.example/redis:3'])
    expect(attempt).toEqual({
      lock: { agent: lock.agent, etcd: { ...lock.etcd, digest }, redis: { ...lock.redis, digest } },
      changes: [
        { name: 'etcd', reference: `r.example/etcd:2@${digest}`, digest, platforms: ['linux/amd64'], movedFrom: other },
        { name: 'redis', reference: `r.example/redis:3@${digest}`, digest, platforms: ['linux/amd64'] },
      ],
      problems: [],
    })
  })

  test('leaves the others as they are', async () => {
    const attempt = await lockImages(lock, ['redis'], () => Promise.resolve(answer))
    expect(attempt.lock).toEqual({ ...lock, redis: { ...lock.redis, digest } })
  })

  test('collects what every registry has against it', async () => {
    const attempt = await lockImages(lock, ['etcd', 'redis'], (repository) =>
      Promise.reject(
        new RegistryError({ path: repository, received: 'a', expected: 'b', fix: 'c', severity: 'error' }),
      ),
    )
    expect(attempt.problems.map(({ path }) => path)).toEqual(['r.example/etcd', 'r.example/redis'])
    expect(attempt.lock).toEqual(lock)
  })
})
