import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { apiRequest, type Refusal } from '../cluster/api-request.ts'
import { kubectl } from '../cluster/kubectl.ts'
import { cluster } from '../cluster/state.ts'
import { waitFor } from '../cluster/wait-for.ts'
import { applyEnvironment, beginRemoval, removeEnvironments } from '../delivery/environment.ts'

const path = '/apis/apps/v1/namespaces/regent-system/statefulsets/regent-consensus'
const refused = (answer: { status: number; body: Refusal }, change: string) => {
  expect(answer.status).toBe(403)
  expect(answer.body.message).toContain(`replicas ${change}: change the members of etcd first`)
}

function patch(replicas: number, counted?: string) {
  return apiRequest<Refusal & { readonly spec: { readonly replicas: number } }>({
    method: 'PATCH',
    path,
    body: {
      ...(counted !== undefined && { metadata: { annotations: { 'regent.dev/etcd-members': counted } } }),
      spec: { replicas },
    },
  })
}

const describeGuard = cluster().release === 'oldest' ? describe.skip : describe

describeGuard("the guard of etcd's replicas", () => {
  beforeAll(async () => {
    await removeEnvironments()
    await applyEnvironment('local')
    await waitFor('the guard to be in force', async () => {
      const { status } = await apiRequest({
        method: 'PATCH',
        path: `${path}?dryRun=All`,
        body: { spec: { replicas: 0 } },
      })
      return status === 403
    })
  })
  afterAll(beginRemoval)

  test('refuses `kubectl scale`', async () => {
    const { exitCode, stderr } = await kubectl([
      'scale',
      'statefulset/regent-consensus',
      '-n',
      'regent-system',
      '--replicas=2',
    ])
    expect(exitCode).not.toBe(0)
    expect(stderr).toContain('replicas 3 to 2: change the members of etcd first')
  })

  test('refuses a change that nobody has told etcd of', async () => {
    refused(await patch(5), '3 to 5')
    refused(await patch(4), '3 to 4')
    refused(await patch(0), '3 to 0')
  })

  test('refuses more than one member at a time, whatever the annotation says', async () => {
    refused(await patch(5, '5'), '3 to 5')
    refused(await patch(1, '1'), '3 to 1')
  })

  test('refuses an annotation that says another number', async () => {
    refused(await patch(4, '5'), '3 to 4')
  })

  test('lets every other change through', async () => {
    const { status } = await apiRequest({ method: 'PATCH', path, body: { metadata: { labels: { touched: 'yes' } } } })
    expect(status).toBe(200)
  })

  test('follows the membership up and down by one, and then refuses the committed manifest', async () => {
    expect((await patch(4, '4')).body.spec.replicas).toBe(4)
    expect((await patch(5, '5')).body.spec.replicas).toBe(5)
    const reapplied = await kubectl(['apply', '-f', 'dist/local', '-R'])
    expect(reapplied.stderr).toContain('replicas 5 to 3')
    expect((await patch(4, '4')).body.spec.replicas).toBe(4)
    expect((await patch(3, '3')).body.spec.replicas).toBe(3)
    expect((await kubectl(['apply', '-f', 'dist/local', '-R'])).exitCode).toBe(0)
  })
})
