import { annotations, objectNames } from '@regent/contract/names.ts'
import { Construct } from 'constructs'
import { ValidatingAdmissionPolicy } from '../admission-policy/validating-admission-policy.ts'
import { workloadLabels } from '../workload/identity.ts'
import { consensusIdentity } from './identity.ts'

const counted = annotations.etcdMembers

/**
 * Refuses a careless change of etcd's replicas: applying the committed manifests over a set that was scaled, or
 * `kubectl scale`, would take members away that etcd still counts, and with them the quorum. Whoever changes the
 * membership writes the number of members that etcd counts as an annotation in the same update; the replicas may
 * follow it by one.
 */
export class ReplicaGuard extends Construct {
  constructor(scope: Construct, id: string, props: { readonly namespace: string }) {
    super(scope, id)
    new ValidatingAdmissionPolicy(this, 'policy', {
      name: `${objectNames.consensus}-replicas`,
      labels: workloadLabels(consensusIdentity),
      policy: {
        failurePolicy: 'Fail',
        matchConstraints: {
          namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': props.namespace } },
          resourceRules: [
            {
              apiGroups: ['apps'],
              apiVersions: ['*'],
              operations: ['UPDATE'],
              resources: ['statefulsets', 'statefulsets/scale'],
              resourceNames: [objectNames.consensus],
              scope: 'Namespaced',
            },
          ],
        },
        variables: [
          // A Scale leaves out a zero.
          { name: 'before', expression: 'has(oldObject.spec.replicas) ? int(oldObject.spec.replicas) : 0' },
          { name: 'after', expression: 'has(object.spec.replicas) ? int(object.spec.replicas) : 0' },
          {
            name: 'counted',
            expression: `has(object.metadata.annotations) && '${counted}' in object.metadata.annotations ? object.metadata.annotations['${counted}'] : ''`,
          },
        ],
        validations: [
          {
            expression:
              'variables.after == variables.before || ((variables.after - variables.before == 1 || variables.before - variables.after == 1) && variables.counted == string(variables.after))',
            messageExpression: `'replicas ' + string(variables.before) + ' to ' + string(variables.after) + ': change the members of etcd first, one at a time, and write their number as annotation ${counted} in the same update'`,
            reason: 'Forbidden',
          },
        ],
      },
    })
  }
}
