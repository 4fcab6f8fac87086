import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { apiRequest } from './api-request.ts'
import { auditEvents } from './audit-log.ts'
import { apply, kubectl, kubectlJson, mustKubectl } from './kubectl.ts'
import { createNamespace, deleteNamespace } from './namespace.ts'
import { tokenOf, waitUntilAllowed } from './service-account.ts'
import { cluster } from './state.ts'
import { waitFor } from './wait-for.ts'

let namespace = ''
beforeAll(async () => {
  namespace = await createNamespace('api')
})
afterAll(() => deleteNamespace(namespace))

const restricted = {
  runAsNonRoot: true,
  runAsUser: 65532,
  allowPrivilegeEscalation: false,
  capabilities: { drop: ['ALL'] },
  seccompProfile: { type: 'RuntimeDefault' },
}

function pod(name: string, securityContext: object): object {
  const containers = [{ name: 'main', image: 'registry.k8s.io/pause:3.10', securityContext }]
  return { apiVersion: 'v1', kind: 'Pod', metadata: { name, namespace }, spec: { containers } }
}

describe('the API server', () => {
  test('has the version that the level asks for', async () => {
    const { serverVersion } = await kubectlJson<{ serverVersion: { gitVersion: string } }>(['version'])
    if (cluster().kind !== 'foreign') {
      expect(serverVersion.gitVersion).toMatch(cluster().release === 'oldest' ? /^v1\.29\./ : /^v1\.36\./)
    }
  })

  test('refuses a pod that the restricted standard forbids, and admits one that it allows', async () => {
    const refused = await kubectl(['create', '--filename=-'], { input: pod('root', { privileged: true }) })
    expect(refused.stderr).toContain('violates PodSecurity "restricted')
    await apply(pod('restricted', restricted))
  })

  test('refuses an unknown field', async () => {
    const object = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'typo', namespace }, dataa: {} }
    await expect(apply(object)).rejects.toThrow('unknown field "dataa"')
  })

  test('counts objects against a quota', async () => {
    const metadata = { name: 'quota', namespace }
    await apply({ apiVersion: 'v1', kind: 'ResourceQuota', metadata, spec: { hard: { 'count/services': '0' } } })
    await waitFor('counted quota', async () => {
      const quota = await kubectlJson<{ status: { used?: object } }>(['get', 'resourcequota/quota', `-n${namespace}`])
      return quota.status.used !== undefined
    })
    const created = await kubectl(['create', 'service', 'clusterip', 'one', '--tcp=80', `--namespace=${namespace}`])
    expect(created.stderr).toContain('exceeded quota')
  })

  test('deletes what belongs to a deleted owner', async () => {
    await mustKubectl(['create', 'deployment', 'owner', '--image=none', '--replicas=0', `--namespace=${namespace}`])
    const replicaSets = (): Promise<{ items: unknown[] }> =>
      kubectlJson(['get', 'replicasets', '--selector=app=owner', `--namespace=${namespace}`])
    await waitFor('ReplicaSet', async () => (await replicaSets()).items.length === 1)
    await mustKubectl(['delete', 'deployment', 'owner', `--namespace=${namespace}`])
    await waitFor('garbage collection', async () => (await replicaSets()).items.length === 0)
  })
})

describe('a ValidatingAdmissionPolicy', () => {
  const name = 'regent-test-policy'
  afterAll(() => kubectl(['delete', `validatingadmissionpolicy/${name}`, `validatingadmissionpolicybinding/${name}`]))

  // 1.30 is the first release that serves it by default.
  const since130 = cluster().release === 'oldest' ? test.skip : test

  since130('refuses what its expression refuses, and nothing else', async () => {
    const kind = 'ValidatingAdmissionPolicy'
    const apiVersion = 'admissionregistration.k8s.io/v1'
    const rule = { apiGroups: [''], apiVersions: ['v1'], operations: ['CREATE'], resources: ['configmaps'] }
    const validations = [{ expression: "object.metadata.name != 'forbidden'", message: 'this name is taken' }]
    await apply([
      {
        apiVersion,
        kind,
        metadata: { name },
        spec: { failurePolicy: 'Fail', matchConstraints: { resourceRules: [rule] }, validations },
      },
      {
        apiVersion,
        kind: `${kind}Binding`,
        metadata: { name },
        spec: {
          policyName: name,
          validationActions: ['Deny'],
          matchResources: { namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': namespace } } },
        },
      },
    ])
    const create = (configMap: string): ReturnType<typeof kubectl> =>
      kubectl(['create', 'configmap', configMap, '--dry-run=server', `--namespace=${namespace}`])
    const refused = await waitFor('active policy', async () => {
      const { exitCode, stderr } = await create('forbidden')
      return exitCode !== 0 && stderr
    })
    expect(refused).toContain('this name is taken')
    expect((await create('allowed')).exitCode).toBe(0)
  })
})

describe('a ServiceAccount', () => {
  test('may do what its Role says, nothing else, and the audit log saw both', async () => {
    await mustKubectl(['create', 'serviceaccount', 'reader', `--namespace=${namespace}`])
    const role = ['--verb=get', '--resource=configmaps', `--namespace=${namespace}`]
    await mustKubectl(['create', 'role', 'reader', ...role])
    const binding = ['--role=reader', `--serviceaccount=${namespace}:reader`, `--namespace=${namespace}`]
    await mustKubectl(['create', 'rolebinding', 'reader', ...binding])
    await waitUntilAllowed(namespace, 'reader', { group: '', resource: 'configmaps', verb: 'get' })
    const token = await tokenOf(namespace, 'reader')

    const path = `/api/v1/namespaces/${namespace}`
    expect((await apiRequest({ path: `${path}/configmaps/kube-root-ca.crt`, token })).status).toBe(200)
    expect((await apiRequest({ path: `${path}/secrets`, token })).status).toBe(403)
    expect((await kubectl(['get', 'secrets', `--namespace=${namespace}`], { token })).stderr).toContain('Forbidden')

    if (cluster().kind === 'foreign') return
    const seen = (await auditEvents(namespace, 'reader')).map(
      ({ verb, objectRef, responseStatus }) => `${verb} ${objectRef?.resource ?? ''} ${responseStatus?.code ?? 0}`,
    )
    expect(seen).toEqual(['get configmaps 200', 'list secrets 403', 'list secrets 403'])
  })

  test('with a token bound to a pod is known by the uid of the pod', async () => {
    await apply(pod('bound', restricted))
    const { metadata } = await kubectlJson<{ metadata: { uid: string } }>(['get', 'pod/bound', `-n${namespace}`])
    const token = await tokenOf(namespace, 'default', { pod: { name: 'bound', uid: metadata.uid } })
    const review = await apiRequest<{ status: { userInfo: { extra: Record<string, string[]> } } }>({
      method: 'POST',
      path: '/apis/authentication.k8s.io/v1/selfsubjectreviews',
      body: { apiVersion: 'authentication.k8s.io/v1', kind: 'SelfSubjectReview' },
      token,
    })
    expect(review.body.status.userInfo.extra['authentication.kubernetes.io/pod-uid']).toEqual([metadata.uid])
  })

  test('has tokens that verify against the published keys', async () => {
    const keys = await apiRequest<{ keys: { kid: string; alg: string }[] }>({ path: '/openid/v1/jwks' })
    const [header = ''] = (await tokenOf(namespace, 'default')).split('.')
    const { kid, alg } = JSON.parse(Buffer.from(header, 'base64url').toString()) as { kid: string; alg: string }
    expect(keys.body.keys).toContainEqual(expect.objectContaining({ kid, alg }))
  })
})
