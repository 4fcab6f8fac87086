import { afterEach, expect, test } from '@jest/globals'
import { ApiConnection } from '../../src/election/api-server.ts'
import { LeaseClient } from '../../src/election/lease-client.ts'
import { fakeApiServer, type FakeApiServer } from './fake-api-server.ts'

const closing: (() => unknown)[] = []
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close()
})

async function clientOf(body: object): Promise<{ readonly client: LeaseClient; readonly server: FakeApiServer }> {
  const server = await fakeApiServer((_, response) => void response.end(JSON.stringify(body)))
  const connection = new ApiConnection(server.api)
  closing.push(
    () => server.close(),
    () => connection.close(),
  )
  return { client: new LeaseClient(connection, { namespace: 'ours', name: 'mine' }), server }
}

test.each([
  [{ uid: 'u' }, 'resourceVersion'],
  [{ resourceVersion: '1' }, 'uid'],
  [{ uid: '', resourceVersion: '1' }, 'uid'],
  [{}, 'uid and metadata.resourceVersion'],
])('an update of a Lease that nobody read is not sent: %j', async (metadata, missing) => {
  const { client, server } = await clientOf({})
  expect(await client.update({ metadata }, 5)).toMatchObject({
    kind: 'failure',
    why: `an update without metadata.${missing} could replace a Lease that nobody read; read the Lease first`,
  })
  expect(server.connections).toHaveLength(0)
})

test('a cluster without a UID is a failure, not a lineage', async () => {
  const { client } = await clientOf({ kind: 'Namespace', metadata: { name: 'kube-system' } })
  expect(await client.clusterUid(5)).toMatchObject({ kind: 'failure' })
})
