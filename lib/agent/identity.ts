import { filled, objectNames } from '@regent/contract/names.ts'
import type { WorkloadIdentity } from '../workload/identity.ts'

/** Labels of an agent: one instance per agent id. */
export function agentIdentity(agentId: string): WorkloadIdentity {
  return { name: 'regent-agent', instance: agentId, component: 'agent' }
}

/** Name of an agent's Deployment, ServiceAccount, Roles and Service. */
export function agentName(agentId: string): string {
  return filled(objectNames.agent, { agentId })
}
