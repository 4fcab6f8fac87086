import type { AgentKey } from '@regent/contract/api.ts'
import type { Command } from 'commander'
import { type ControlPlaneOptions, takingControlPlane, whichControlPlane } from './control-plane-connection.ts'
import { printJson, tableLines } from './print.ts'
import { giveSecret, type SecretOptions, secondsOf, takingOutput } from './secret-output.ts'

interface Options extends ControlPlaneOptions, SecretOptions {
  readonly expiresInSeconds?: number
  readonly overlapSeconds?: number
}

/** @param agents the command that these belong to */
export function addAgentKeys(agents: Command): void {
  const keys = agents.command('keys').description('make and revoke the keys of agents that are in other clusters')
  keys.addHelpText(
    'after',
    `
Examples:
  $ npx regent agents keys create production-us-east-1 --output key
  $ npx regent agents keys rotate production-us-east-1 --overlap-seconds 86400 --output key
  $ npx regent agents keys revoke production-us-east-1 k3qz7a2m5n6p4r7s

${whichControlPlane}`,
  )
  const add = (name: string, description: string): Command =>
    takingControlPlane(keys.command(name).description(description).argument('<agent>', 'id of an agent'))
  add('list', 'list the keys of an agent that are valid').action(list)
  takingOutput(add('create', 'make a key, and print it once'))
    .option('--expires-in-seconds <seconds>', 'it is refused from then on (default: it lives until revoked)', secondsOf)
    .action(create)
  takingOutput(add('rotate', 'make a new key, print it once, and let all others expire after an overlap'))
    .option('--overlap-seconds <seconds>', 'how long the others stay valid (default: 3600)', secondsOf)
    .action(rotate)
  add('revoke', 'end a key at once').argument('<key>', 'id of a key').action(revoke)
}

async function connect(options: Options) {
  const [{ ControlPlaneConnection }, { agentKey, newAgentKey }, { z }] = await Promise.all([
    import('./control-plane-connection.ts'),
    import('@regent/contract/api.ts'),
    import('zod'),
  ])
  return { connection: new ControlPlaneConnection(options), list: z.object({ items: z.array(agentKey) }), newAgentKey }
}

async function list(agent: string, options: Options): Promise<void> {
  const { connection, list } = await connect(options)
  const { items } = await connection.call({ path: pathOf(agent, 'keys'), answer: list })
  if (options.json) printJson(items)
  else console.log(overview(items).join('\n'))
}

async function create(agent: string, options: Options): Promise<void> {
  const { expiresInSeconds } = options
  await make(agent, 'keys', expiresInSeconds === undefined ? {} : { expiresInSeconds }, options)
}

async function rotate(agent: string, options: Options): Promise<void> {
  const { overlapSeconds } = options
  await make(agent, 'rotate-keys', overlapSeconds === undefined ? {} : { overlapSeconds }, options)
}

async function make(agent: string, resource: string, body: object, options: Options): Promise<void> {
  const { connection, newAgentKey } = await connect(options)
  await giveSecret(
    options,
    () => connection.call({ method: 'POST', path: pathOf(agent, resource), body, answer: newAgentKey }),
    ({ key, ...rest }) => ({
      secret: key,
      rest,
      said: `key ${rest.keyId} of ${agent}${rest.expiresAt === undefined ? '' : `, until ${rest.expiresAt}`}`,
    }),
  )
}

async function revoke(agent: string, keyId: string, options: Options): Promise<void> {
  const { connection } = await connect(options)
  await connection.call({ method: 'DELETE', path: pathOf(agent, 'keys', keyId) })
  if (options.json) printJson({ agentId: agent, keyId, revoked: true })
  else console.log(`key ${keyId} of ${agent}: revoked`)
}

function pathOf(agent: string, ...parts: readonly string[]): string {
  return ['/agents', ...[agent, ...parts].map(encodeURIComponent)].join('/')
}

function overview(keys: readonly AgentKey[]): readonly string[] {
  return tableLines(
    ['KEY', 'CREATED', 'BY', 'EXPIRES'],
    keys.map(({ keyId, createdAt, createdBy, expiresAt }) => [keyId, createdAt, createdBy, expiresAt ?? '-']),
  )
}
