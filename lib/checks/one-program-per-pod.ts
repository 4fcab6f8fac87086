import { agent } from '@regent/contract/agent.ts'
import { consensusAccess } from '@regent/contract/consensus-access.ts'
import { controlPlane } from '@regent/contract/control-plane.ts'
import { etcd } from '@regent/contract/etcd.ts'
import { type Check, problemWith } from './check.ts'
import { containersOf } from './pods.ts'
import { workloadsOf } from './workloads.ts'

const programs: readonly string[] = [agent, controlPlane, etcd, consensusAccess].map(({ name }) => name)

/**
 * A pod runs one of Regent's programs at most. Holders of a Lease are told apart by the UID of their pod, and the
 * admission fence compares nothing else: two programs in one pod would both pass as the leader. Programs are
 * recognised by the name of their container.
 */
export const oneProgramPerPod: Check = (index) =>
  workloadsOf(index).flatMap(({ manifest, template }) => {
    const found = containersOf(template.spec).filter(({ name }) => programs.includes(name))
    if (found.length <= 1) return []
    return problemWith(index, manifest, {
      received: `containers ${found.map(({ name }) => `'${name}'`).join(' and ')} in one pod`,
      expected: "at most one of Regent's programs in a pod",
      fix: 'give each program a workload of its own',
    })
  })
