import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { apiRequest } from '../../../test/cluster/api-request.ts'
import { createNamespace, deleteNamespace } from '../../../test/cluster/namespace.ts'
import { waitFor } from '../../../test/cluster/wait-for.ts'
import { ApiConnection, type ApiAnswer } from '../../src/election/api-server.ts'
import { at, textAt } from '../../src/election/json.ts'
import { leaseCollection, LeaseClient } from '../../src/election/lease-client.ts'
import { asServiceAccount, type AsServiceAccount } from './real-api-server.ts'

const group = 'coordination.k8s.io'
let namespace = ''
let elector: AsServiceAccount
let connection: ApiConnection
beforeAll(async () => {
  namespace = await createNamespace('lease')
  const rules = [{ apiGroups: [group], resources: ['leases'], verbs: ['get', 'create', 'update'] }]
  elector = await asServiceAccount(namespace, 'elector', rules)
  connection = new ApiConnection(elector.api)
})
afterAll(async () => {
  connection.close()
  elector.remove()
  await deleteNamespace(namespace)
})

const seconds = 10

function lease(name: string, spec: object): object {
  return { apiVersion: `${group}/v1`, kind: 'Lease', metadata: { name, namespace }, spec }
}

/** The Lease of an answer, with another spec. */
function read(answer: ApiAnswer, spec: object): object {
  if (answer.kind !== 'answer') throw new Error(answer.why)
  return { apiVersion: `${group}/v1`, kind: 'Lease', metadata: at(answer.body, 'metadata'), spec }
}

function clientOf(name: string): LeaseClient {
  return new LeaseClient(connection, { namespace, name })
}

const refusal = (status: number, reason: string): object => ({
  kind: 'answer',
  status,
  body: { kind: 'Status', reason },
})

function versionOf(answer: ApiAnswer): string {
  const version = answer.kind === 'answer' ? textAt(answer.body, 'metadata', 'resourceVersion') : undefined
  if (version === undefined) throw new Error(`no Lease: ${JSON.stringify(answer)}`)
  return version
}

describe('a Lease', () => {
  test('is read, created, and replaced only at the version that was read', async () => {
    const client = clientOf('life')
    expect(await client.get(seconds)).toMatchObject(refusal(404, 'NotFound'))
    const created = await client.create(lease('life', { holderIdentity: 'one' }), seconds)
    expect(created).toMatchObject({ kind: 'answer', status: 201, body: { spec: { holderIdentity: 'one' } } })
    expect(await client.create(lease('life', {}), seconds)).toMatchObject(refusal(409, 'AlreadyExists'))

    const updated = await client.update(read(created, { holderIdentity: 'two' }), seconds)
    expect(updated).toMatchObject({ status: 200, body: { spec: { holderIdentity: 'two' } } })
    expect(BigInt(versionOf(updated))).toBeGreaterThan(BigInt(versionOf(created)))
    const stale = await client.update(read(created, { holderIdentity: 'three' }), seconds)
    expect(stale).toMatchObject(refusal(409, 'Conflict'))
    expect(versionOf(await client.get(seconds))).toBe(versionOf(updated))
  })

  test('that was deleted does not come back by the write of somebody who has not seen that', async () => {
    const client = clientOf('gone')
    const created = await client.create(lease('gone', {}), seconds)
    await apiRequest({ method: 'DELETE', path: `${leaseCollection(namespace)}/gone` })
    expect(await client.update(read(created, { holderIdentity: 'late' }), seconds)).toMatchObject(
      refusal(409, 'Conflict'),
    )
    expect(await client.get(seconds)).toMatchObject(refusal(404, 'NotFound'))
  })

  test('that was created again is not taken for the one that was read', async () => {
    const client = clientOf('again')
    const created = await client.create(lease('again', {}), seconds)
    await apiRequest({ method: 'DELETE', path: `${leaseCollection(namespace)}/again` })
    await client.create(lease('again', { holderIdentity: 'another' }), seconds)
    expect(await client.update(read(created, { holderIdentity: 'late' }), seconds)).toMatchObject(
      refusal(409, 'Conflict'),
    )
  })

  test('takes times of exactly six fractional digits, and gives them back so', async () => {
    const client = clientOf('times')
    const written = { renewTime: '2026-01-02T03:04:05.678000Z' }
    const created = await client.create(lease('times', written), seconds)
    expect(created).toMatchObject({ status: 201, body: { spec: written } })
    const milliseconds = { renewTime: '2026-01-02T03:04:05.678Z' }
    const refused = await client.update(read(created, milliseconds), seconds)
    expect(refused).toMatchObject({ kind: 'answer', status: 400, body: { kind: 'Status' } })
  })
})

describe('permissions', () => {
  test('that are missing are refused with the verb and who lacks it', async () => {
    const reader = await asServiceAccount(namespace, 'reader', [
      { apiGroups: [group], resources: ['leases'], verbs: ['get'] },
    ])
    const own = new ApiConnection(reader.api)
    try {
      const answer = await new LeaseClient(own, { namespace, name: 'denied' }).create(lease('denied', {}), seconds)
      expect(answer).toMatchObject(refusal(403, 'Forbidden'))
      const message = answer.kind === 'answer' ? textAt(answer.body, 'message') : undefined
      expect(message).toContain(`system:serviceaccount:${namespace}:reader" cannot create resource "leases"`)
    } finally {
      own.close()
      reader.remove()
    }
  })

  test('for kube-system are needed to know the cluster by its UID', async () => {
    const client = clientOf('any')
    expect(await client.clusterUid(seconds)).toMatchObject(refusal(403, 'Forbidden'))
    const name = `${namespace}-cluster-uid`
    const rbac = 'rbac.authorization.k8s.io'
    const metadata = { name, namespace: 'kube-system' }
    const rules = [{ apiGroups: [''], resources: ['namespaces'], resourceNames: ['kube-system'], verbs: ['get'] }]
    const path = `/apis/${rbac}/v1/namespaces/kube-system`
    const subjects = [{ kind: 'ServiceAccount', name: 'elector', namespace }]
    const roleRef = { apiGroup: rbac, kind: 'Role', name }
    try {
      await apiRequest({ method: 'POST', path: `${path}/roles`, body: { metadata, rules } })
      await apiRequest({ method: 'POST', path: `${path}/rolebindings`, body: { metadata, roleRef, subjects } })
      const { body } = await apiRequest<{ metadata: { uid: string } }>({ path: '/api/v1/namespaces/kube-system' })
      const expected = { kind: 'uid', uid: body.metadata.uid }
      // The authorizer learns of a new binding by a watch.
      const answer = await waitFor('the UID to be allowed', async () => {
        const told = await client.clusterUid(seconds)
        return told.kind === 'uid' ? told : Promise.reject(new Error(JSON.stringify(told)))
      })
      expect(answer).toEqual(expected)
    } finally {
      await apiRequest({ method: 'DELETE', path: `${path}/rolebindings/${name}` })
      await apiRequest({ method: 'DELETE', path: `${path}/roles/${name}` })
    }
  })
})
