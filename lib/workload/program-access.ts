import { filled, type NamespaceRole, accessNamespaces } from '@regent/contract/names.ts'
import type { Access, Program } from '@regent/contract/program.ts'
import type { Part } from '@regent/contract/variable.ts'
import { k8s } from 'cdk8s-plus-28'
import { Construct } from 'constructs'
import { type WorkloadIdentity, workloadLabels } from './identity.ts'

export interface ProgramAccessProps {
  readonly program: Program
  readonly parts: ReadonlySet<Part>
  readonly identity: WorkloadIdentity
  /** Name of the ServiceAccount, the Roles and the RoleBindings. */
  readonly name: string
  /** Namespace of the ServiceAccount. */
  readonly namespace: string
  /** What fills the placeholders of object names, such as `{agentId}`. */
  readonly placeholders: Readonly<Record<string, string>>
}

/**
 * The ServiceAccount of a program and exactly the permissions that the program declares: a Role and a RoleBinding
 * per namespace, resourceNames where the program names its object.
 */
export class ProgramAccess extends Construct {
  constructor(scope: Construct, id: string, props: ProgramAccessProps) {
    super(scope, id)
    const labels = workloadLabels(props.identity)
    new k8s.KubeServiceAccount(this, 'service-account', {
      metadata: { name: props.name, namespace: props.namespace, labels },
      // Each pod says for itself whether it mounts a token.
      automountServiceAccountToken: false,
    })
    for (const role of Object.keys(accessNamespaces) as NamespaceRole[]) {
      const rules = activeAccess(props.program, props.parts)
        .filter((access) => access.in === role)
        .map((access) => policyRule(access, props.placeholders))
      if (rules.length === 0) continue
      const metadata = { name: props.name, namespace: accessNamespaces[role], labels }
      new k8s.KubeRole(this, `${role}-role`, { metadata, rules })
      new k8s.KubeRoleBinding(this, `${role}-role-binding`, {
        metadata,
        roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'Role', name: props.name },
        subjects: [{ kind: 'ServiceAccount', name: props.name, namespace: props.namespace }],
      })
    }
  }
}

/** The permissions that a program holds with the given parts on. */
export function activeAccess(program: Program, parts: ReadonlySet<Part>): readonly Access[] {
  return program.access.filter(({ when }) => when === undefined || parts.has(when))
}

function policyRule(access: Access, placeholders: Readonly<Record<string, string>>): k8s.PolicyRule {
  return {
    apiGroups: [access.group],
    resources: [access.resource],
    verbs: [...access.verbs],
    ...(access.name !== undefined && { resourceNames: [filled(access.name, placeholders)] }),
  }
}
