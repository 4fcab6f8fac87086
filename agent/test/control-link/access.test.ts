import { afterEach, describe, expect, test } from '@jest/globals'
import { writeFileSync } from 'node:fs'
import type { Configuration } from '../../src/configuration/configuration.ts'
import { readConfiguration } from '../../src/configuration/configuration.ts'
import { accessOf } from '../../src/control-link/access.ts'
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
