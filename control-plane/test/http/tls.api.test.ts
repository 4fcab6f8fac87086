import { rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { connect, type DetailedPeerCertificate } from 'node:tls'
import { once } from 'node:events'
import { text } from 'node:stream/consumers'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals'
import { recordedLog } from '@regent/runtime/test/support/recorded-log.ts'
import { type ServerCertificate, serverCertificate } from '../../../agent/test/election/certificate.ts'
import { TlsFiles, type TlsSettings } from '../../src/http/tls-files.ts'
import { waitFor } from '../../../test/cluster/wait-for.ts'
import { scratchFolder, ServedApi } from './served-api.ts'

describe('TLS of the API', () => {
  const { folder, remove } = scratchFolder()
  const [certificateFile, keyFile] = [join(folder, 'tls.crt'), join(folder, 'tls.key')]
  const first = serverCertificate(['127.0.0.1'])
  const files = new TlsFiles({ certificateFile, keyFile })
  const write = ({ certificate, key }: ServerCertificate): void => {
    writeFileSync(certificateFile, certificate)
    writeFileSync(keyFile, key)
  }
  beforeEach(() => write(first))
  afterAll(remove)

  describe('of a server', () => {
    let api: ServedApi
    beforeAll(async () => {
      write(first)
      api = await ServedApi.start({ api: { tls: files } })
    })
    afterAll(() => api.close())

    const answer = async (version?: 'TLSv1.1'): Promise<{ text: string; peer: DetailedPeerCertificate }> => {
      const socket = connect({
        port: api.port,
        host: '127.0.0.1',
        ca: first.certificate,
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

  describe('files', () => {
    const server = () => {
      const given: TlsSettings[] = []
      return { given, setSecureContext: (settings: TlsSettings) => void given.push(settings) }
    }

    test('are given to the server when they change, and only then', async () => {
      const recorded = recordedLog()
      const target = server()
      const end = files.keepFresh(target, await files.read(), recorded.log, 5)
      const second = serverCertificate(['127.0.0.1'])
      write(second)
      await waitFor('the second certificate', () => target.given.length > 0, { everyMilliseconds: 5 })
      end()
      expect(target.given).toEqual([{ cert: second.certificate, key: second.key, minVersion: 'TLSv1.2' }])
      expect(recorded.text()).not.toContain('PRIVATE KEY')
    })

    test('that do not fit leave the one in use, until they do', async () => {
      const recorded = recordedLog()
      const target = server()
      const end = files.keepFresh(target, await files.read(), recorded.log, 5)
      const second = serverCertificate(['127.0.0.1'])
      writeFileSync(certificateFile, second.certificate)
      await waitFor('a warning', () => recorded.events().includes('tls-certificate-unusable'), { everyMilliseconds: 5 })
      expect(target.given).toEqual([])
      writeFileSync(keyFile, second.key)
      await waitFor('the second certificate', () => target.given.length > 0, { everyMilliseconds: 5 })
      end()
      expect(target.given[0]).toMatchObject({ key: second.key })
    })

    describe('with the authority of clients', () => {
      const clientCaFile = join(folder, 'ca.crt')
      const asking = new TlsFiles({ certificateFile, keyFile, clientCaFile })

      test('are all given to the server when one of them changes', async () => {
        writeFileSync(clientCaFile, first.certificate)
        const target = server()
        const end = asking.keepFresh(target, await asking.read(), recordedLog().log, 5)
        const both = first.certificate + serverCertificate(['127.0.0.1']).certificate
        writeFileSync(clientCaFile, both)
        await waitFor('the second authority', () => target.given.length > 0, { everyMilliseconds: 5 })
        end()
        expect(target.given).toEqual([{ cert: first.certificate, key: first.key, ca: both, minVersion: 'TLSv1.2' }])
      })

      test.each([
        ['nothing that is one', 'secret', /expected certificates of authorities in PEM, got none/],
        ['a key', first.key, /got none/],
        [
          'something broken beside it',
          `${first.certificate}-----BEGIN CERTIFICATE-----\nsecret\n-----END CERTIFICATE-----\n`,
          /got something else among them/,
        ],
      ])('are refused where it is %s: TLS would trust nobody, and say nothing', async (_, content, why) => {
        writeFileSync(clientCaFile, content)
        const error: unknown = await asking.read().catch((thrown: unknown) => thrown)
        expect(String(error)).toMatch(why)
        expect(String(error)).not.toMatch(/secret|PRIVATE/)
      })
    })

    test.each([
      ['missing', () => rmSync(keyFile), /tls\.key cannot be read \(ENOENT\)/],
      ['no certificate', () => writeFileSync(certificateFile, 'secret'), /what TLS refuses/],
    ])('that are %s are refused at the start', async (_, change, why) => {
      change()
      const error: unknown = await files.read().catch((thrown: unknown) => thrown)
      expect(String(error)).toMatch(why)
      expect(String(error)).not.toContain('secret')
    })
  })
})
