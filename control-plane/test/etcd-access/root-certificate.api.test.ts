import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from '@jest/globals'
import { type CertificatePath, writeCertificates } from '../../../test/cluster/certificates.ts'
import { mustBeRoot, NotRoot } from '../../src/etcd-access/root-certificate.ts'

const folder = mkdtempSync(join(tmpdir(), 'regent-root-certificate-'))
let path: CertificatePath
beforeAll(async () => {
  path = await writeCertificates(folder, [
    { file: 'root', commonName: 'root', organizations: ['anybody'] },
    { file: 'client', commonName: 'regent-control-plane' },
    { file: 'nameless', commonName: '' },
    { file: 'disguised', commonName: 'somebody', organizations: ['x\nCN=root'] },
  ])
})
afterAll(() => rmSync(folder, { recursive: true }))

test("is root's", async () => {
  await mustBeRoot(path('root.crt'))
})

test.each([
  ['client', '"regent-control-plane"'],
  ['nameless', 'none'],
  ['disguised', 'somebody'],
])('fails if it is of somebody else: %s', async (file, received) => {
  const judged = mustBeRoot(path(`${file}.crt`))
  await expect(judged).rejects.toThrow(NotRoot)
  await expect(judged).rejects.toThrow(received)
  await expect(judged).rejects.toThrow('rootSecretName')
})

test('fails if the file is no certificate, or is not there', async () => {
  const file = join(folder, 'text')
  writeFileSync(file, 'text')
  await expect(mustBeRoot(file)).rejects.toThrow('got no certificate')
  await expect(mustBeRoot(join(folder, 'nothing'))).rejects.toThrow('ENOENT')
})
