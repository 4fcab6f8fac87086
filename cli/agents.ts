import type { Command } from 'commander'
import type { AgentResource } from '@regent/contract/api.ts'
import { addAgentKeys } from './agent-keys.ts'
import { type ControlPlaneOptions, takingControlPlane, whichControlPlane } from './control-plane-connection.ts'
import { UsageError } from './errors.ts'
import { type AgentEvent, type Change, leavesList, ListedAgents } from './listed.ts'
import { jsonLine, printFacts, printJson, tableLines } from './print.ts'

interface Options extends ControlPlaneOptions {
  readonly json?: true
  readonly watch?: true
  readonly approval?: string
  readonly health?: string
  readonly approved?: true
  readonly yes?: true
}

/** What is done with one agent, by the name of the command. */
const actions = {
  approve: 'let an agent connect',
  reject: 'forbid an agent to connect, and disconnect it',
  'reset-fence': 'accept the next leadership of an agent, whatever its epoch: after its cluster was restored',
} as const

export function addAgents(program: Command): void {
  const agents = program.command('agents').description('show and admit the agents of a control plane')
  agents.addHelpText(
    'after',
    `
Examples:
  $ npx regent agents list --health offline
  $ npx regent agents list --watch
  $ npx regent agents approve production-us-east-1

${whichControlPlane}`,
  )
  const add = (name: string, description: string): Command =>
    takingControlPlane(agents.command(name).description(description))
  add('list', 'list agents')
    .option('--approval <approval>', 'only those that are pending, approved or rejected')
    .option('--health <health>', 'only those that are online, draining, suspended, stale or offline')
    .option('--watch', 'go on with what happens, a line for each event')
    .action(list)
  add('show', 'show everything of one agent').argument('<agent>', 'id of an agent').action(show)
  add('add', 'register an agent before it connects')
    .argument('<agent>', 'id of the agent')
    .option('--approved', 'let it connect without being approved later')
    .action(create)
  for (const [action, description] of Object.entries(actions)) {
    add(action, description)
      .argument('<agent>', 'id of an agent')
      .action((agent: string, options: Options) => act(agent, action, options))
  }
  add('delete', 'remove an agent for good, with its keys and its commands')
    .argument('<agent>', 'id of an agent')
    .option('--yes', 'really')
    .action(remove)
  addAgentKeys(agents)
}

async function connect(options: Options) {
  const [{ ControlPlaneConnection }, { agentResource }] = await Promise.all([
    import('./control-plane-connection.ts'),
    import('@regent/contract/api.ts'),
  ])
  return { connection: new ControlPlaneConnection(options), agentResource }
}

async function list(options: Options): Promise<void> {
  const { connection, agentResource } = await connect(options)
  const { approval, health } = options
  const print = async (): Promise<void> => {
    const found = await connection.list('/agents', { approval, health }, agentResource)
    if (options.json) printJson(found)
    else console.log(overview(found).join('\n'))
  }
  if (!options.watch) {
    await print()
    return
  }
  const listed = new ListedAgents({ approval, health })
  for await (const event of connection.events()) {
    if (event.type === 'reset') {
      await print()
      listed.begin(await connection.list('/agents', {}, agentResource))
    } else if (event.type !== 'command') {
      const change = listed.take(event)
      if (change !== undefined) console.log(options.json ? jsonLine(event) : eventLine(event, change))
    }
  }
}

async function show(agent: string, options: Options): Promise<void> {
  const { connection, agentResource } = await connect(options)
  printAgent(await connection.call({ path: pathOf(agent), answer: agentResource }), options)
}

async function create(agent: string, options: Options): Promise<void> {
  const { connection, agentResource } = await connect(options)
  const body = { agentId: agent, approved: options.approved ?? false }
  printAgent(await connection.call({ method: 'POST', path: '/agents', body, answer: agentResource }), options)
}

async function act(agent: string, action: string, options: Options): Promise<void> {
  const { connection, agentResource } = await connect(options)
  const path = `${pathOf(agent)}/${action}`
  printAgent(await connection.call({ method: 'POST', path, answer: agentResource }), options)
}

async function remove(agent: string, options: Options): Promise<void> {
  if (!options.yes) throw new UsageError(`this removes '${agent}' with its keys and commands; say --yes if you mean it`)
  const { connection } = await connect(options)
  await connection.call({ method: 'DELETE', path: pathOf(agent) })
  if (options.json) printJson({ agentId: agent, removed: true })
  else console.log(`${agent}: removed`)
}

const pathOf = (agent: string): string => `/agents/${encodeURIComponent(agent)}`

function overview(agents: readonly AgentResource[]): readonly string[] {
  return tableLines(
    ['AGENT', 'APPROVAL', 'HEALTH', 'SINCE', 'SESSIONS', 'EPOCH', 'POD', 'REGION'],
    agents.map((one) => [
      one.agentId,
      one.approval,
      one.fenceConflict === undefined ? one.health : `${one.health} (fence-conflict)`,
      one.since,
      String(one.activeSessions ?? '-'),
      one.fence?.epoch ?? '-',
      one.connection?.pod ?? '-',
      one.region ?? '-',
    ]),
  )
}

function printAgent(agent: AgentResource, options: Options): void {
  if (options.json) {
    printJson(agent)
    return
  }
  const { fence, connection, fenceConflict, capacity } = agent
  printFacts([
    ['agent', agent.agentId],
    ['approval', agent.approval],
    ['health', `${agent.health} since ${agent.since}`],
    ['last seen', agent.lastSeenAt],
    ['region', agent.region],
    ['sessions', agent.activeSessions === undefined ? undefined : String(agent.activeSessions)],
    ['capacity', capacity && `${capacity.maxSessions} sessions, ${capacity.cpu} CPU, ${capacity.memory}`],
    ['leader', fence && `${fence.holder}, epoch ${fence.epoch}, since ${fence.since}`],
    ['connected', connection && `to ${connection.pod} since ${connection.since}`],
    [
      'conflict',
      fenceConflict && `${fenceConflict.holder} insists on epoch ${fenceConflict.epoch}; see agents reset-fence --help`,
    ],
    ['registered', agent.registeredAt],
  ])
}

function eventLine(event: AgentEvent, change: Change): string {
  return `${event.agentId}: ${changeOf(event)}${change === 'leaves' ? leavesList : ''}`
}

function changeOf(event: AgentEvent): string {
  if (event.type === 'agent-removed') return 'removed'
  if (event.type === 'agent') return event.approval
  return `${event.health} since ${event.since}${event.fenceConflict ? ', fence-conflict' : ''}`
}
