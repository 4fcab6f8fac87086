import type { Access } from '@regent/contract/program.ts'
import type { k8s } from 'cdk8s-plus-28'
import { Construct } from 'constructs'
import { ValidatingAdmissionPolicy } from '../admission-policy/validating-admission-policy.ts'
import { type WorkloadIdentity, workloadLabels } from '../workload/identity.ts'

const operations = { create: 'CREATE', update: 'UPDATE', patch: 'UPDATE', delete: 'DELETE' } as const
const podUid = 'authentication.kubernetes.io/pod-uid'

export interface AdmissionFenceProps {
  readonly identity: WorkloadIdentity
  /** Name of the policy and of its binding. */
  readonly name: string
  /** The Lease whose holder alone may write. */
  readonly leaseName: string
  readonly leaseNamespace: string
  readonly serviceAccountName: string
  /** The namespace in which writes are fenced. */
  readonly fencedNamespace: string
  /** What the agent may do there: every kind of write in it is fenced. */
  readonly access: readonly Access[]
}

/**
 * Refuses writes of an agent's pod that is not the holder of the Lease. The API server compares the UID of the pod
 * that the caller's token is bound to with the one in `holderIdentity` (`podName_podUID_bootUUID`).
 *
 * It closes the gap that no election can close by itself: a request that a former leader has sent, and that lands
 * after the takeover. It does not protect for the moment in which an API server's copy of the Lease is behind
 * (milliseconds), nor against a caller whose token is bound to no pod: that one is refused altogether. While there is
 * no Lease at all, everybody is refused, the namespace controller too: Kubernetes looks for the parameter before it
 * asks whom a policy is for. So the environment ships the Lease, and whoever removes the namespaces removes the policy.
 *
 * @see https://kubernetes.io/docs/reference/access-authn-authz/validating-admission-policy/#parameter-resources
 */
export class AdmissionFence extends Construct {
  constructor(scope: Construct, id: string, props: AdmissionFenceProps) {
    super(scope, id)
    const user = `system:serviceaccount:${props.leaseNamespace}:${props.serviceAccountName}`
    new ValidatingAdmissionPolicy(this, 'policy', {
      name: props.name,
      labels: workloadLabels(props.identity),
      policy: {
        failurePolicy: 'Fail',
        paramKind: { apiVersion: 'coordination.k8s.io/v1', kind: 'Lease' },
        matchConstraints: {
          namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': props.fencedNamespace } },
          resourceRules: fencedResources(props.access),
        },
        matchConditions: [{ name: 'is-the-agent', expression: `request.userInfo.username == '${user}'` }],
        variables: [
          {
            name: 'holder',
            expression: "has(params.spec.holderIdentity) ? params.spec.holderIdentity.split('_') : []",
          },
          {
            name: 'callers',
            expression: `'${podUid}' in request.userInfo.extra ? request.userInfo.extra['${podUid}'] : []`,
          },
        ],
        validations: [
          {
            expression:
              'size(variables.holder) == 3 && size(variables.callers) == 1 && variables.callers[0] == variables.holder[1]',
            messageExpression: `'fenced: the Lease ${props.leaseName} is held by ' + (size(variables.holder) > 0 ? variables.holder[0] : 'nobody') + ', not by the pod of this request'`,
            reason: 'Forbidden',
          },
        ],
      },
      // Without a Lease nobody leads, so nobody may write.
      param: { name: props.leaseName, namespace: props.leaseNamespace, parameterNotFoundAction: 'Deny' },
    })
  }
}

function fencedResources(access: readonly Access[]): k8s.NamedRuleWithOperationsV1Beta1[] {
  return access
    .map(({ group, resource, verbs }) => ({
      apiGroups: [group],
      apiVersions: ['*'],
      resources: [resource],
      operations: [
        ...new Set(verbs.flatMap((verb) => (verb in operations ? [operations[verb as keyof typeof operations]] : []))),
      ],
      scope: 'Namespaced',
    }))
    .filter((rule) => rule.operations.length > 0)
}
