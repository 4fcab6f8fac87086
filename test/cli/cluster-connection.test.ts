import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from '@jest/globals'
import { type FakeApiServer, fakeApiServer } from '../../agent/test/election/fake-api-server.ts'
import { connectionTo } from '../../cli/cluster-connection.ts'

let folder = ''
let server: FakeApiServer
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'regent-connection-'))
  server = await fakeApiServer((_, response) => {
    const namespace = { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'one' } }
    response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(namespace))
  })
})
afterEach(async () => {
  await server.close()
  rmSync(folder, { recursive: true })
})

test('a cluster is asked by HTTP/1.1 although its API server would rather have HTTP/2', async () => {
  const kubeconfig = join(folder, 'kubeconfig')
  const { host, port, caFile } = server.api
  const cluster = { server: `https://${host}:${port}`, 'certificate-authority': caFile }
  const config = {
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [{ name: 'test', cluster }],
    users: [{ name: 'admin', user: { token: 'let-me-in' } }],
    contexts: [{ name: 'admin', context: { cluster: 'test', user: 'admin' } }],
    'current-context': 'admin',
  }
  writeFileSync(kubeconfig, JSON.stringify(config))
  const { client, configuration } = await connectionTo({ kubeconfig })
  await new client.CoreV1Api(configuration).readNamespace({ name: 'one' })
  expect(server.protocols).toEqual(['http/1.1'])
})
