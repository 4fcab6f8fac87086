import { afterEach, describe, expect, test } from '@jest/globals'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import type { Configuration } from '../../src/configuration/configuration.ts'
import { readConfiguration } from '../../src/configuration/configuration.ts'
import { accessOf, type ClientCertificate, readCredentials } from '../../src/control-link/access.ts'
import { Probe } from '../../src/control-link/probe.ts'
import { CertificateAuthority, type IssuedCertificate } from '../election/authority.ts'
import { serverCertificate } from '../election/certificate.ts'
import { podEnvironment } from '../support/pod-environment.ts'
import { atEnd, endAll, fileWith, linked, turn, waitForLine } from './linked.ts'
import { ScriptedControlPlane } from './scripted-control-plane.ts'

afterEach(endAll)

function configured(changes: Readonly<Record<string, string | undefined>>): Configuration {
  const pod = podEnvironment()
  atEnd(pod.remove)
  const read = readConfiguration(pod.with(changes))
  if ('problems' in read) throw new Error(JSON.stringify(read.problems))
  return read.configuration
}

describe('what the configuration says of the access', () => {
  test('is the token, unless there is an API key; the public authorities, unless there is another', () => {
    const [token, key, ca] = [fileWith('token'), fileWith('key'), fileWith('ca')]
    expect(accessOf(configured({ CONTROL_PLANE_TOKEN_FILE: token }))).toEqual({
      url: 'http://127.0.0.1:9',
      credential: { variable: 'CONTROL_PLANE_TOKEN_FILE', file: token },
    })
    const changes = { CONTROL_PLANE_TOKEN_FILE: undefined, AGENT_API_KEY_FILE: key, CONTROL_PLANE_CA_FILE: ca }
    expect(accessOf(configured(changes))).toEqual({
      url: 'http://127.0.0.1:9',
      credential: { variable: 'AGENT_API_KEY_FILE', file: key },
      caFile: ca,
    })
  })
})

test('a client certificate goes before everything else that is mounted', () => {
  const [certificateFile, keyFile, key] = [fileWith('certificate'), fileWith('key'), fileWith('api-key')]
  const changes = {
    CONTROL_PLANE_URL: 'https://127.0.0.1:9',
    CLIENT_CERTIFICATE_FILE: certificateFile,
    CLIENT_KEY_FILE: keyFile,
    AGENT_API_KEY_FILE: key,
  }
  expect(accessOf(configured(changes)).credential).toEqual({ certificateFile, keyFile })
})

describe('a client certificate', () => {
  const [servers, agents] = [new CertificateAuthority(), new CertificateAuthority()]
  const files = (own: IssuedCertificate) => ({
    certificateFile: fileWith(own.certificate),
    keyFile: fileWith(own.key),
  })
  const reason = async (credential: ClientCertificate): Promise<string> => {
    const error: unknown = await readCredentials({ url: 'https://a', credential }).catch((thrown: unknown) => thrown)
    return String(error)
  }

  test('is shown by probes, and read again for each', async () => {
    const { certificate: cert, key } = servers.issue({ addresses: ['127.0.0.1'] })
    const tls = { cert, key, ca: agents.certificate, requestCert: true }
    const plane = createServer(tls, (_, response) => response.writeHead(204).end())
    plane.listen(0, '127.0.0.1')
    await once(plane, 'listening')
    const ended = new AbortController()
    atEnd(async () => {
      ended.abort()
      plane.close()
      plane.closeAllConnections()
      await once(plane, 'close')
    })
    const credential = files(servers.issue({ commonName: 'agent:local' }))
    const results: boolean[] = []
    const probe = new Probe({
      access: {
        // A server on a port has an address of this form.
        url: `https://127.0.0.1:${(plane.address() as AddressInfo).port}`,
        credential,
        caFile: fileWith(servers.certificate),
      },
      timing: { probeMs: 20, probeTimeoutMs: 5000 },
      onResult: (reaches) => void results.push(reaches),
      isProven: () => false,
    })
    void probe.run(ended.signal)
    while (results.length === 0) await turn()
    expect(results).not.toContain(true)
    const renewed = agents.issue({ commonName: 'agent:local' })
    // The key comes first: for a moment they are not of one another.
    writeFileSync(credential.keyFile, renewed.key)
    writeFileSync(credential.certificateFile, renewed.certificate)
    while (results.at(-1) !== true) await turn()
  })

  test.each<[string, (own: IssuedCertificate) => IssuedCertificate]>([
    ['has the key of another', ({ certificate }) => ({ certificate, key: agents.issue({}).key })],
    ['is none', ({ key }) => ({ certificate: 'secret', key })],
    ['has no key', ({ certificate }) => ({ certificate, key: 'secret' })],
    ['has been taken for its key', ({ certificate, key }) => ({ certificate: key, key: certificate })],
  ])('that %s is said to be so, and nothing of it is repeated', async (_, change) => {
    const own = change(agents.issue({ commonName: 'agent:local' }))
    const why = await reason(files(own))
    expect(why).toContain('CLIENT_KEY_FILE: expected')
    expect(why).not.toMatch(/secret|BEGIN/)
  })

  test('that is not there is named by its variable', async () => {
    const { keyFile } = files(agents.issue({}))
    expect(await reason({ certificateFile: '/absent', keyFile })).toContain('CLIENT_CERTIFICATE_FILE: cannot read')
  })
})

describe('a control plane that serves TLS', () => {
  test('is trusted by the authority in the file, which is read again, and by no other', async () => {
    const [right, wrong] = [serverCertificate(['127.0.0.1']), serverCertificate(['127.0.0.1'])]
    const plane = await ScriptedControlPlane.start({ tls: { key: right.key, cert: right.certificate } })
    const caFile = fileWith(wrong.certificate)
    const { lead, log, election } = await linked({ plane, access: { caFile } })
    lead()
    expect(String((await waitForLine(log, 'link-failed'))['why'])).toMatch(/self.signed|certificate/)
    expect(plane.attempts).toBe(0)
    writeFileSync(caFile, right.certificate)
    await plane.nextRegistered()
    while (election.reached.at(-1) !== true) await turn()
  })
})
