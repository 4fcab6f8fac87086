import type { TokenResource } from '@regent/contract/api.ts'
import type { Command } from 'commander'
import { type ControlPlaneOptions, takingControlPlane, whichControlPlane } from './control-plane-connection.ts'
import { printJson, tableLines } from './print.ts'
import { giveSecret, type SecretOptions, secondsOf, takingOutput } from './secret-output.ts'

interface Options extends ControlPlaneOptions, SecretOptions {
  readonly role?: string
  readonly expiresInSeconds?: number
}

export function addTokens(program: Command): void {
  const tokens = program.command('tokens').description('make and revoke the tokens of people and programs')
  tokens.addHelpText(
    'after',
    `
Examples:
  $ npx regent tokens list
  $ npx regent tokens create 'deployment pipeline' --role operator --output token
  $ npx regent tokens revoke k3qz7a2m5n6p4r7s

${whichControlPlane}`,
  )
  const add = (name: string, description: string): Command =>
    takingControlPlane(tokens.command(name).description(description))
  add('list', 'list tokens that are valid').action(list)
  takingOutput(add('create', 'make a token, and print it once'))
    .argument('<name>', 'what it is for, as the audit log shows it')
    .requiredOption('--role <role>', 'what it may do: viewer, operator or admin')
    .option('--expires-in-seconds <seconds>', 'how long it lives (default: 2592000, which is 30 days)', secondsOf)
    .action(create)
  add('revoke', 'end a token at once').argument('<token>', 'id of a token').action(revoke)
}

async function connect(options: Options) {
  const [{ ControlPlaneConnection }, { newToken, tokenResource }] = await Promise.all([
    import('./control-plane-connection.ts'),
    import('@regent/contract/api.ts'),
  ])
  return { connection: new ControlPlaneConnection(options), newToken, tokenResource }
}

async function list(options: Options): Promise<void> {
  const { connection, tokenResource } = await connect(options)
  const found = await connection.list('/tokens', {}, tokenResource)
  if (options.json) printJson(found)
  else console.log(overview(found).join('\n'))
}

async function create(name: string, options: Options): Promise<void> {
  const { connection, newToken } = await connect(options)
  const { role, expiresInSeconds } = options
  const body = { name, role, ...(expiresInSeconds !== undefined && { expiresInSeconds }) }
  await giveSecret(
    options,
    () => connection.call({ method: 'POST', path: '/tokens', body, answer: newToken }),
    ({ token, ...rest }) => ({
      secret: token,
      rest,
      said: `token ${rest.tokenId} with the role ${rest.role}, until ${rest.expiresAt}`,
    }),
  )
}

async function revoke(tokenId: string, options: Options): Promise<void> {
  const { connection } = await connect(options)
  await connection.call({ method: 'DELETE', path: `/tokens/${encodeURIComponent(tokenId)}` })
  if (options.json) printJson({ tokenId, revoked: true })
  else console.log(`token ${tokenId}: revoked`)
}

function overview(tokens: readonly TokenResource[]): readonly string[] {
  return tableLines(
    ['TOKEN', 'NAME', 'ROLE', 'EXPIRES', 'CREATED', 'BY'],
    tokens.map(({ tokenId, name, role, expiresAt, createdAt, createdBy }) => [
      ...[tokenId, name, role, expiresAt, createdAt, createdBy],
    ]),
  )
}
