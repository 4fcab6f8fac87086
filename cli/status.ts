import type { Command } from 'commander'
import { type ClusterOptions, connectionTo } from './cluster-connection.ts'
import { printJson } from './print.ts'
import type { Status } from './status-lines.ts'

interface Options extends ClusterOptions {
  readonly json?: true
}

export function addStatus(program: Command): void {
  program
    .command('status')
    .description('show who leads each agent of a cluster, since when and why; exit with 1 if nobody leads one')
    .argument('[agent]', 'id of an agent (default: all of them)')
    .option('--kubeconfig <file>', 'kubeconfig of the cluster (default: as kubectl finds it)')
    .option('--context <name>', 'context of the kubeconfig (default: its current one)')
    .option('--json', 'print a JSON array, an entry per agent')
    .addHelpText(
      'after',
      `
Examples:
  $ npx regent status
  $ npx regent status production-us-east-1 --context us-east-1
  $ npx regent status --json | jq '.[] | select(.leader == null) | .agent'`,
    )
    .action(status)
}

async function status(agent: string | undefined, options: Options) {
  const [{ leadershipOf, leaseNameOf }, { agentLeases }, { noLease }, { statusLines }, connection] = await Promise.all([
    import('./agent-leadership.ts'),
    import('./agent-leases.ts'),
    import('./no-lease.ts'),
    import('./status-lines.ts'),
    connectionTo(options),
  ])
  const leases = agentLeases(connection)
  const one = agent === undefined ? undefined : await leases.read(leaseNameOf(agent))
  const found = one !== undefined ? [one] : agent === undefined ? await leases.list() : []
  if (found.length === 0) throw await noLease(leases, agent)
  const statuses = await Promise.all(
    found
      .toSorted((a, b) => (a.name < b.name ? -1 : 1))
      .map(async (lease): Promise<Status> => {
        const leadership = leadershipOf(lease, connection.time())
        const zone = leadership.node === null ? undefined : await leases.zoneOf(leadership.node)
        return { ...leadership, zone: zone ?? null }
      }),
  )
  if (options.json) printJson(statuses)
  else console.log(statusLines(statuses).join('\n'))
  if (statuses.some(({ leader }) => leader === null)) process.exitCode = 1
}
