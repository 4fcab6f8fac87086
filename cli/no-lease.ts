import { agentOf, leaseNameOf } from './agent-leadership.ts'
import type { AgentLeases } from './agent-leases.ts'
import { suggestion } from './environments.ts'
import { Refusal } from './errors.ts'

/** What to say where an agent has no Lease, or no agent has one: what may be the reason, and who does have one. */
export async function noLease(leases: AgentLeases, agent: string | undefined): Promise<Refusal> {
  const why = 'without leader election there is none; with it, the manifests hold it'
  if (agent === undefined) return new Refusal([`error: no agent has a Lease in ${leases.namespace}: ${why}`])
  // Who may read one Lease may not always list them.
  const known = await leases.list().catch(() => [])
  const agents = known.flatMap(({ name }) => agentOf(name) ?? [])
  return new Refusal([
    `error: no Lease ${leases.namespace}/${leaseNameOf(agent)}${suggestion(agent, agents)}: ${why}` +
      (agents.length === 0 ? '' : `; agents with a Lease: ${agents.toSorted().join(', ')}`),
  ])
}
