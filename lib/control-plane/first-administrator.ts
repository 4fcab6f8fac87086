import { namespaceNames, objectNames } from '@regent/contract/names.ts'
import { k8s } from 'cdk8s-plus-28'
import type { Construct } from 'constructs'
import { type WorkloadIdentity, workloadLabels } from '../workload/identity.ts'

/**
 * The ServiceAccount as which whoever may create tokens of it is an administrator of the control plane, before there is
 * any other and while an OpenID provider is away:
 *
 *     kubectl create token regent-admin -n regent-system --audience regent-control-plane
 *
 * It has no permission at the Kubernetes API, and no pod runs as it.
 */
export function firstAdministrator(scope: Construct, id: string, identity: WorkloadIdentity): k8s.KubeServiceAccount {
  return new k8s.KubeServiceAccount(scope, id, {
    metadata: { name: objectNames.admin, namespace: namespaceNames.system, labels: workloadLabels(identity) },
    automountServiceAccountToken: false,
  })
}
