import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { type CertificatePath, writeCertificates } from '../../../test/cluster/certificates.ts'
import { Agents } from '../../src/identity/agents.ts'
import { TestClock } from './issuer.ts'

describe('the certificate of an agent', () => {
  const folder = mkdtempSync(join(tmpdir(), 'regent-certificates-'))
  const clock = new TestClock()
  clock.wall = Date.now()
  const agents = new Agents({ keys: { check: () => Promise.reject(new Error('no store')) }, clock })
  let path: CertificatePath
  beforeAll(async () => {
    path = await writeCertificates(folder, [
      { file: 'agent', commonName: 'agent:local', organizations: ['anybody'] },
      { file: 'person', commonName: 'local' },
      { file: 'bad-id', commonName: 'agent:Not/An/Id' },
      { file: 'no-id', commonName: 'agent:' },
      { file: 'nameless', commonName: '' },
      { file: 'disguised', commonName: 'local', organizations: ['x\nCN=agent:local'] },
      { file: 'two', commonName: 'agent:local', organizations: ['x\nCN=agent:other'] },
    ])
  })
  afterAll(() => rmSync(folder, { recursive: true }))
  const identify = (file: string) =>
    agents.identifyCertificate(
      Buffer.from(readFileSync(path(`${file}.crt`), 'utf8').replaceAll(/-----[^-]+-----|\s/g, ''), 'base64'),
    )

  test('says which agent it is, and until when', () => {
    const { expiresAt, ...identity } = identify('agent')
    expect(identity).toEqual({ agentId: 'local', by: 'certificate' })
    expect(expiresAt?.getTime()).toBeGreaterThan(Date.now())
  })

  test.each(['person', 'bad-id', 'no-id', 'nameless', 'disguised'])('is none: %s', (file) => {
    expect(() => identify(file)).toThrow('nobody who may call')
  })

  test('is none any more once it has expired, whatever TLS said when the connection began', () => {
    clock.pass(40 * 24 * 3600)
    expect(() => identify('agent')).toThrow('has expired')
    clock.pass(-40 * 24 * 3600)
  })

  test('is of its common name, whatever its organization pretends', () => {
    expect(identify('two')).toMatchObject({ agentId: 'local' })
  })

  test('is none where it is no certificate', () => {
    expect(() => agents.identifyCertificate(Buffer.from('agent:local'))).toThrow('no token of a form')
  })
})
