import { rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeEach, describe, expect, test } from '@jest/globals'
import { recordedLog } from '@regent/runtime/test/support/recorded-log.ts'
import { type ServerCertificate, serverCertificate } from '../../../agent/test/election/certificate.ts'
import { waitFor } from '../../../test/cluster/wait-for.ts'
import { TlsFiles, type TlsSettings } from '../../src/http/tls-files.ts'
import { scratchFolder } from './served-api.ts'

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

describe('files of a certificate', () => {
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

  test.each([
    ['certificate', certificateFile],
    ['key', keyFile],
  ])('whose %s is being written, and empty until then, leave the one in use', async (_, file) => {
    const recorded = recordedLog()
    const target = server()
    const end = files.keepFresh(target, await files.read(), recorded.log, 5)
    writeFileSync(file, '')
    await waitFor('a warning', () => recorded.events().includes('tls-certificate-unusable'), { everyMilliseconds: 5 })
    const second = serverCertificate(['127.0.0.1'])
    write(second)
    await waitFor('the second certificate', () => target.given.length > 0, { everyMilliseconds: 5 })
    end()
    expect(target.given).toEqual([{ cert: second.certificate, key: second.key, minVersion: 'TLSv1.2' }])
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
    ['empty where the certificate is expected', () => writeFileSync(certificateFile, ''), /tls\.crt: .*an empty file/],
    ['empty where the key is expected', () => writeFileSync(keyFile, ''), /tls\.key: .*an empty file/],
  ])('that are %s are refused at the start', async (_, change, why) => {
    change()
    const error: unknown = await files.read().catch((thrown: unknown) => thrown)
    expect(String(error)).toMatch(why)
    expect(String(error)).not.toContain('secret')
  })
})
