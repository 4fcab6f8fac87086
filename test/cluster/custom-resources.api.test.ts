import { afterAll, beforeAll, expect, test } from '@jest/globals'
import { installCrds } from './custom-resources.ts'
import { apply, kubectlJson, mustKubectl } from './kubectl.ts'
import { createNamespace, deleteNamespace } from './namespace.ts'

let namespace = ''
beforeAll(async () => {
  namespace = await createNamespace('custom')
  await installCrds('cert-manager', 'prometheus-operator')
}, 300_000)
afterAll(() => deleteNamespace(namespace))

function certificate(spec: object): object {
  return { apiVersion: 'cert-manager.io/v1', kind: 'Certificate', metadata: { name: 'peer', namespace }, spec }
}

test("a publisher's schema admits what it allows", async () => {
  await apply(certificate({ secretName: 'peer', dnsNames: ['peer'], issuerRef: { name: 'ca' } }))
  const { spec } = await kubectlJson<{ spec: { secretName: string } }>(['get', 'certificate/peer', `-n${namespace}`])
  expect(spec.secretName).toBe('peer')
})

test("a publisher's schema refuses an unknown field and a missing one", async () => {
  const misspelt = certificate({ secretName: 'peer', issuerRef: { name: 'ca' }, dnsName: ['peer'] })
  await expect(apply(misspelt)).rejects.toThrow('unknown field "spec.dnsName"')
  await expect(apply(certificate({ secretName: 'peer' }))).rejects.toThrow('spec.issuerRef: Required value')
})

test('the definitions of every publisher that is asked for are served', async () => {
  const names = await mustKubectl(['get', 'crds', '--output=name'])
  expect(names).toContain('certificates.cert-manager.io')
  expect(names).toContain('prometheusrules.monitoring.coreos.com')
})
