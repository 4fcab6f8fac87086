import { describe, expect, test } from '@jest/globals'
import { readImageLock } from '../../lib/images/lock.ts'
import { imageDeclarations, imageVersion } from '../declaration.ts'
import { baseReference, lockAfterPush, publishedName, pushReference } from '../publication.ts'

const digest = `sha256:${'a'.repeat(64)}`
const other = `sha256:${'b'.repeat(64)}`
const lock = { agent: { version: '1.2.3' }, debian: { repository: 'r.example/debian', version: '12' } }
const published = 'r.example/ours/agent:1.2.3'
const pushed = { lock, name: 'agent', version: '1.2.3', published, reference: published, digest }

describe('after a push', () => {
  test('the lock names the digest, and what else it named', () => {
    const after = lockAfterPush(pushed)
    expect(after.lock).toEqual({ ...lock, agent: { version: '1.2.3', digest } })
    expect(after.remark).toMatch(/npm run synth/)
  })

  test('to somewhere else the lock stays: manifests would name what their registry does not have', () => {
    const after = lockAfterPush({ ...pushed, reference: 'localhost:5000/agent:1.2.3' })
    expect(after.lock).toBe(lock)
    expect(after.remark).toMatch(/manifests pull r\.example\/ours\/agent:1\.2\.3, not localhost:5000/)
  })

  test('of other content under the same version that is said', () => {
    const before = { ...lock, agent: { version: '1.2.3', digest: other } }
    expect(lockAfterPush({ ...pushed, lock: before }).remark).toContain(`the same version was ${other}`)
    expect(lockAfterPush({ ...pushed, lock: { ...before, agent: { version: '1.2.3', digest } } }).remark).toMatch(
      /already/,
    )
  })
})

describe('the place of an image', () => {
  test('is where manifests pull from', () => {
    expect(publishedName('r.example/ours', 'agent', '1.2.3', lock)).toBe(published)
  })

  test('fails if the lock has another version than the workspace', () => {
    expect(() => publishedName('r.example', 'agent', '1.2.4', lock)).toThrow(/expected version 1\.2\.4 .* got 1\.2\.3/)
    expect(() => publishedName('r.example', 'new', '1', lock)).toThrow(/got none/)
  })

  test('is what was given, or where manifests pull from', () => {
    expect(pushReference(true, published, '1.2.3')).toBe(published)
    expect(pushReference('localhost:5000/a/b:1.2.3', published, '1.2.3')).toBe('localhost:5000/a/b:1.2.3')
  })

  test.each(['agent', 'agent:1.2.3', 'r.example/agent', 'r.example/agent:latest', `r.example/agent:1.2.3@${digest}`])(
    'fails if it is %s',
    (reference) => {
      expect(() => pushReference(reference, published, '1.2.3')).toThrow(/registry, a path and the version, such as/)
    },
  )
})

describe('the base', () => {
  test('is named by its version until its digest is locked, then by that alone', () => {
    expect(baseReference(lock)).toBe('r.example/debian:12')
    expect(baseReference({ debian: { ...lock.debian, digest } })).toBe(`r.example/debian@${digest}`)
  })

  test('fails if the lock names none', () => {
    expect(() => baseReference({})).toThrow(/expected 'debian'/)
  })
})

test.each([...imageDeclarations.values()])('the lock of the project is about the version of $name', async (image) => {
  const version = await imageVersion(image, `${import.meta.dirname}/../..`)
  expect(readImageLock()[image.name]?.version).toBe(version)
})
