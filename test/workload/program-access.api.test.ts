import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { agent } from '@regent/contract/agent.ts'
import { accessNamespaces, filled, namespaceNames } from '@regent/contract/names.ts'
import { apiRequest } from '../cluster/api-request.ts'
import { tokenOf } from '../cluster/service-account.ts'
import { applyEnvironment, beginRemoval, removeEnvironments } from '../delivery/environment.ts'

const system = namespaceNames.system
const tokens = new Map<string, string>()

beforeAll(async () => {
  await removeEnvironments()
  await applyEnvironment('local')
  for (const account of ['regent-agent-local', 'regent-control-plane', 'regent-consensus', 'default']) {
    tokens.set(account, await tokenOf(system, account))
  }
})
afterAll(beginRemoval)

interface Question {
  readonly namespace?: string
  readonly verb: string
  readonly group?: string
  readonly resource: string
  readonly name?: string
  readonly subresource?: string
}

/** Asks the API server, with the account's own token, whether the account may do something. */
async function may(account: string, question: Question): Promise<boolean> {
  const { body } = await apiRequest<{ status: { allowed: boolean } }>({
    method: 'POST',
    path: '/apis/authorization.k8s.io/v1/selfsubjectaccessreviews',
    body: {
      apiVersion: 'authorization.k8s.io/v1',
      kind: 'SelfSubjectAccessReview',
      spec: { resourceAttributes: question },
    },
    ...(tokens.has(account) && { token: tokens.get(account) ?? '' }),
  })
  return body.status.allowed
}

const verbs = ['get', 'list', 'watch', 'create', 'update', 'patch', 'delete', 'deletecollection']

describe('the agent', () => {
  const declared = agent.access.flatMap(({ group, resource, verbs: allowed, in: role, name }) =>
    allowed.map((verb) => ({
      verb,
      group,
      resource,
      namespace: accessNamespaces[role],
      ...(name !== undefined && { name: filled(name, { agentId: 'local' }) }),
    })),
  )

  test.each<Question>(declared)('may $verb $resource in $namespace', async (question) => {
    expect(await may('regent-agent-local', question)).toBe(true)
  })

  test('may do nothing else with what it may touch', async () => {
    const kinds = new Map(declared.map((one) => [`${one.namespace} ${one.group}/${one.resource}`, one]))
    const wrong: string[] = []
    for (const { group, resource, namespace } of kinds.values()) {
      for (const verb of verbs) {
        const expected = declared.some(
          (one) =>
            one.namespace === namespace &&
            one.group === group &&
            one.resource === resource &&
            one.verb === verb &&
            !('name' in one),
        )
        if ((await may('regent-agent-local', { verb, group, resource, namespace })) !== expected)
          wrong.push(`${verb} ${resource}`)
      }
    }
    expect(wrong).toEqual([])
  })

  test.each<Question>([
    { verb: 'update', group: 'coordination.k8s.io', resource: 'leases', namespace: system, name: 'regent-agent-other' },
    { verb: 'delete', group: 'coordination.k8s.io', resource: 'leases', namespace: system, name: 'regent-agent-local' },
    { verb: 'get', resource: 'secrets', namespace: system },
    { verb: 'get', resource: 'namespaces', namespace: system, name: system },
    { verb: 'list', resource: 'namespaces' },
    { verb: 'list', resource: 'pods', namespace: 'kube-system' },
    { verb: 'delete', resource: 'pods', namespace: system },
    { verb: 'list', resource: 'secrets', namespace: 'regent-sessions' },
    { verb: 'create', resource: 'pods', namespace: 'regent-sessions' },
    { verb: 'create', resource: 'pods', subresource: 'exec', namespace: 'regent-sessions' },
    { verb: 'create', group: 'apps', resource: 'deployments', namespace: system },
    { verb: 'create', group: 'apps', resource: 'deployments', namespace: 'default' },
    { verb: 'create', group: 'rbac.authorization.k8s.io', resource: 'rolebindings', namespace: 'regent-sessions' },
    { verb: 'create', resource: 'serviceaccounts', subresource: 'token', namespace: system },
    { verb: 'list', resource: 'nodes' },
    { verb: 'patch', group: 'admissionregistration.k8s.io', resource: 'validatingadmissionpolicies' },
    { verb: 'impersonate', resource: 'users' },
  ])('may not $verb $resource in $namespace', async (question) => {
    expect(await may('regent-agent-local', question)).toBe(false)
  })
})

describe.each(['regent-control-plane', 'regent-consensus', 'default'])('%s', (account) => {
  test('may do nothing at the API server', async () => {
    const allowed: string[] = []
    for (const namespace of [system, 'regent-sessions']) {
      for (const resource of ['pods', 'secrets', 'configmaps', 'services']) {
        for (const verb of verbs)
          if (await may(account, { verb, resource, namespace })) allowed.push(`${verb} ${resource}`)
      }
    }
    expect(allowed).toEqual([])
  })
})
