import type { WorkloadIdentity } from '../workload/identity.ts'

/** Labels of etcd's members: there is one set per environment. */
export const consensusIdentity: WorkloadIdentity = {
  name: 'regent-consensus',
  instance: 'regent',
  component: 'consensus',
}
