import { apply } from './kubectl.ts'
import { cluster } from './state.ts'

const name = 'regent-test-lease-parameters'
const metadata = { name }
const apiVersion = 'admissionregistration.k8s.io/v1'

/**
 * Keeps admission policies whose parameter is a Lease working for as long as the cluster lives: a policy that matches
 * nothing stays bound to one. When the last binding of a parameter's kind goes, the API server stops to watch that
 * kind for good, and every fence that is created later refuses everybody or believes a Lease of the past.
 *
 * @see https://github.com/kubernetes/kubernetes/issues/130887
 */
export async function keepLeaseParameters(): Promise<void> {
  if (cluster().release === 'oldest') return
  await apply([
    {
      apiVersion,
      kind: 'ValidatingAdmissionPolicy',
      metadata,
      spec: {
        paramKind: { apiVersion: 'coordination.k8s.io/v1', kind: 'Lease' },
        matchConstraints: {
          resourceRules: [
            { apiGroups: ['regent.test'], apiVersions: ['v1'], operations: ['CREATE'], resources: ['nothing'] },
          ],
        },
        validations: [{ expression: 'true' }],
      },
    },
    {
      apiVersion,
      kind: 'ValidatingAdmissionPolicyBinding',
      metadata,
      spec: {
        policyName: name,
        paramRef: { name: 'nobodys', namespace: 'default', parameterNotFoundAction: 'Allow' },
        validationActions: ['Deny'],
      },
    },
  ])
}
