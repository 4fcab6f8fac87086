import { writeFileSync } from 'node:fs'
import { once } from 'node:events'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { connect, type DetailedPeerCertificate } from 'node:tls'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { serverCertificate } from '../../../agent/test/election/certificate.ts'
import { TlsFiles } from '../../src/http/tls-files.ts'
import { scratchFolder, ServedApi } from './served-api.ts'

describe('TLS of the API', () => {
  const { folder, remove } = scratchFolder()
  const { certificate, key } = serverCertificate(['127.0.0.1'])
  let api: ServedApi
  beforeAll(async () => {
    const [certificateFile, keyFile] = [join(folder, 'tls.crt'), join(folder, 'tls.key')]
    writeFileSync(certificateFile, certificate)
    writeFileSync(keyFile, key)
    api = await ServedApi.start({ api: { tls: new TlsFiles({ certificateFile, keyFile }) } })
  })
  afterAll(async () => {
    await api.close()
    await remove()
  })

  const answer = async (version?: 'TLSv1.1'): Promise<{ text: string; peer: DetailedPeerCertificate }> => {
    const socket = connect({
      port: api.port,
      host: '127.0.0.1',
      ca: certificate,
      ...(version !== undefined && { minVersion: version, maxVersion: version }),
    })
    await once(socket, 'secureConnect')
    const peer = socket.getPeerCertificate(true)
    socket.write(
      `GET /api/v1/whoami HTTP/1.1\r\nhost: a\r\nauthorization: Bearer ${api.tokens.viewer}\r\nconnection: close\r\n\r\n`,
    )
    return { text: await text(socket), peer }
  }

  test('serves its certificate, and tells clients to stay with it', async () => {
    const { text: got } = await answer()
    expect(got).toMatch(/^HTTP\/1\.1 200 /)
    expect(got).toContain('strict-transport-security: max-age=')
  })

  test('is not spoken in its old versions', async () => {
    await expect(answer('TLSv1.1')).rejects.toThrow()
  })
})
