import { type Command, InvalidArgumentError } from 'commander'
import type { CommandResource } from '@regent/contract/api.ts'
import { type ControlPlaneOptions, takingControlPlane, whichControlPlane } from './control-plane-connection.ts'
import { leavesList, ListedCommands } from './listed.ts'
import { jsonLine, printFacts, printJson, tableLines, visible } from './print.ts'

interface Options extends ControlPlaneOptions {
  readonly json?: true
  readonly watch?: true
  readonly wait?: true
  readonly state?: string
  readonly payload?: unknown
  readonly target?: string
  readonly deadlineSeconds?: number
  readonly idempotencyKey?: string
}

export function addCommands(program: Command): void {
  const commands = program.command('commands').description('give agents commands, and see what becomes of them')
  commands.addHelpText(
    'after',
    `
Examples:
  $ npx regent commands run production-us-east-1 describe --wait
  $ npx regent commands list production-us-east-1 --state queued
  $ npx regent commands list production-us-east-1 --watch

${whichControlPlane}`,
  )
  const add = (name: string, description: string): Command =>
    takingControlPlane(commands.command(name).description(description).argument('<agent>', 'id of an agent'))
  add('run', 'give an agent a command; exit with 1 if it is waited for and fails')
    .argument('<action>', 'what to do, for instance describe')
    .option('--payload <json>', 'what it is done with, JSON', jsonOf)
    .option('--target <target>', 'commands of one target are carried out one after the other')
    .option('--deadline-seconds <seconds>', 'it is not started any more after so long', secondsOf)
    .option('--idempotency-key <key>', 'given again with the same key, it stays one command')
    .option('--wait', 'wait until it has ended')
    .action(give)
  add('list', 'list the commands of an agent')
    .option('--state <state>', 'only those that are queued, dispatched, received, done, failed or poisoned')
    .option('--watch', 'go on with what happens, a line for each event')
    .action(list)
  add('show', 'show a command and how it ended').argument('<command>', 'id of a command').action(show)
  add('cancel', 'give a command up').argument('<command>', 'id of a command').action(cancel)
}

async function connect(options: Options) {
  const [{ ControlPlaneConnection }, { commandResource }] = await Promise.all([
    import('./control-plane-connection.ts'),
    import('@regent/contract/api.ts'),
  ])
  return { connection: new ControlPlaneConnection(options), commandResource }
}

async function give(agent: string, action: string, options: Options): Promise<void> {
  const { connection, commandResource } = await connect(options)
  const { payload, target, deadlineSeconds, idempotencyKey } = options
  // Without one of its own, a request whose answer is lost could not be repeated without making another command.
  const key = idempotencyKey ?? crypto.randomUUID()
  const made = await connection.call({
    method: 'POST',
    path: pathOf(agent),
    headers: { 'idempotency-key': key },
    body: {
      action,
      ...(payload !== undefined && { payload }),
      ...(target !== undefined && { target }),
      ...(deadlineSeconds !== undefined && { deadlineSeconds }),
    },
    answer: commandResource,
  })
  let command = made
  while (options.wait && !hasEnded(command)) {
    await new Promise((resolve) => setTimeout(resolve, 500))
    command = await connection.call({ path: pathOf(agent, made.commandId), answer: commandResource })
  }
  printCommand(command, options)
  if (options.wait && command.state !== 'done') process.exitCode = 1
}

async function list(agent: string, options: Options): Promise<void> {
  const { connection, commandResource } = await connect(options)
  const print = async (): Promise<readonly CommandResource[]> => {
    const found = await connection.list(pathOf(agent), { state: options.state }, commandResource)
    if (options.json) printJson(found)
    else console.log(overview(found).join('\n'))
    return found
  }
  if (!options.watch) {
    await print()
    return
  }
  const listed = new ListedCommands(options.state)
  for await (const event of connection.events()) {
    if (event.type === 'reset') listed.begin(await print())
    else if (event.type === 'command' && event.agentId === agent) {
      const change = listed.take(event)
      const line = visible(`${event.commandId}: ${event.action} of ${event.target} is ${event.state}`)
      if (change === undefined) continue
      console.log(options.json ? jsonLine(event) : `${line}${change === 'leaves' ? leavesList : ''}`)
    }
  }
}

async function show(agent: string, id: string, options: Options): Promise<void> {
  const { connection, commandResource } = await connect(options)
  printCommand(await connection.call({ path: pathOf(agent, id), answer: commandResource }), options)
}

async function cancel(agent: string, id: string, options: Options): Promise<void> {
  const { connection, commandResource } = await connect(options)
  const path = `${pathOf(agent, id)}/cancel`
  printCommand(await connection.call({ method: 'POST', path, answer: commandResource }), options)
}

function pathOf(agent: string, ...id: readonly string[]): string {
  return ['/agents', agent, 'commands', ...id]
    .map((part, index) => (index === 0 ? part : encodeURIComponent(part)))
    .join('/')
}

const hasEnded = ({ state }: CommandResource): boolean => ['done', 'failed', 'poisoned'].includes(state)

function overview(commands: readonly CommandResource[]): readonly string[] {
  return tableLines(
    ['COMMAND', 'ACTION', 'TARGET', 'STATE', 'DELIVERIES', 'CREATED', 'BY'],
    commands.map((one) => [
      one.commandId,
      one.action,
      one.target,
      one.error === undefined ? one.state : `${one.state} (${one.error.code})`,
      String(one.deliveries),
      one.createdAt,
      one.createdBy,
    ]),
  )
}

function printCommand(command: CommandResource, options: Options): void {
  if (options.json) {
    printJson(command)
    return
  }
  const { error, result } = command
  printFacts([
    ['command', command.commandId],
    ['agent', command.agentId],
    ['action', command.action],
    ['target', command.target],
    ['state', command.cancelRequested && !hasEnded(command) ? `${command.state}, to be cancelled` : command.state],
    ['deliveries', String(command.deliveries)],
    ['created', `${command.createdAt} by ${command.createdBy}`],
    ['deadline', command.deadlineAt],
    ['finished', command.finishedAt],
    ['error', error && `${error.code}: ${error.message}`],
    ['result', result === undefined ? undefined : JSON.stringify(result)],
  ])
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    throw new InvalidArgumentError('Expected JSON.')
  }
}

function secondsOf(text: string): number {
  if (/^[1-9][0-9]{0,6}$/.test(text)) return Number(text)
  throw new InvalidArgumentError('Expected a whole number of seconds.')
}
