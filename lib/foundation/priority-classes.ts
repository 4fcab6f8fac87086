import { priorityClassNames } from '@regent/contract/names.ts'
import { k8s } from 'cdk8s-plus-28'
import { Construct } from 'constructs'

/** Who stays when a node runs short, from the last to be evicted to the first. Below the system's own classes. */
const classes = {
  consensus: { value: 1_000_000, description: 'Members of etcd: without a quorum nothing can change.' },
  controlPlane: { value: 900_000, description: 'The control plane: without it no agent can be told anything.' },
  agent: { value: 800_000, description: 'Agents: a standby takes over, so one may go.' },
} as const satisfies Partial<Record<keyof typeof priorityClassNames, object>>

export interface PriorityClassesProps {
  readonly names: readonly (keyof typeof classes)[]
}

/** The PriorityClasses of the programs that the environment runs. */
export class PriorityClasses extends Construct {
  constructor(scope: Construct, id: string, props: PriorityClassesProps) {
    super(scope, id)
    for (const name of props.names) {
      new k8s.KubePriorityClass(this, name, {
        metadata: { name: priorityClassNames[name] },
        ...classes[name],
        preemptionPolicy: 'PreemptLowerPriority',
      })
    }
  }
}
