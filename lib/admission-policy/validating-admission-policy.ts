import { ApiObject } from 'cdk8s'
import type { k8s } from 'cdk8s-plus-28'
import { Construct } from 'constructs'

/** First Kubernetes that serves ValidatingAdmissionPolicy as v1. */
export const admissionPolicySince = '1.30'

export interface ValidatingAdmissionPolicyProps {
  /** Name of the policy and of its binding. */
  readonly name: string
  readonly labels: Readonly<Record<string, string>>
  // Version 1 has the fields of v1beta1; cdk8s-plus-28 was generated before it.
  readonly policy: k8s.ValidatingAdmissionPolicySpecV1Beta1
  /** The object that the policy's `paramKind` is looked up by; none for a policy without parameter. */
  readonly param?: k8s.ParamRefV1Beta1
}

/** A ValidatingAdmissionPolicy that denies, with its binding. Needs Kubernetes 1.30. */
export class ValidatingAdmissionPolicy extends Construct {
  constructor(scope: Construct, id: string, props: ValidatingAdmissionPolicyProps) {
    super(scope, id)
    const apiVersion = 'admissionregistration.k8s.io/v1'
    const metadata = { name: props.name, labels: props.labels }
    new ApiObject(this, 'policy', { apiVersion, kind: 'ValidatingAdmissionPolicy', metadata, spec: props.policy })
    new ApiObject(this, 'binding', {
      apiVersion,
      kind: 'ValidatingAdmissionPolicyBinding',
      metadata,
      spec: {
        policyName: props.name,
        validationActions: ['Deny'],
        ...(props.param && { paramRef: props.param }),
      },
    })
  }
}
