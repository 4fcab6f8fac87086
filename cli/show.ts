import type { Command } from 'commander'
import { hasErrors } from '../lib/report.ts'
import { selectEnvironment } from './environments.ts'
import { Refusal } from './errors.ts'
import { printJson, printProblems, tableLines } from './print.ts'

export function addShow(program: Command): void {
  program
    .command('show')
    .description('show the resolved values of an environment and the files that they come from')
    .argument('<environment>', 'name of an environment')
    .argument('[path]', 'a value or a part of the environment, such as agent.replicas (default: everything)')
    .option('--json', 'print a JSON array of path, value, unit and origin')
    .addHelpText(
      'after',
      `
Examples:
  $ npx regent show staging agent.replicas
  $ npx regent show production-us-east-1 consensus
  $ npx regent show dev --json | jq '.[] | select(.origin == "default")'`,
    )
    .action(show)
}

async function show(name: string, path: string | undefined, options: { readonly json?: true }) {
  const [layer, { parseEnvironment }, { resolvedValues }] = await Promise.all([
    selectEnvironment(name),
    import('../lib/config/parse.ts'),
    import('./resolved-values.ts'),
  ])
  const { environment, problems } = parseEnvironment(layer)
  if (environment === undefined || hasErrors(problems)) {
    printProblems(problems)
    throw new Refusal([`error: ${name} has no resolved values before these are corrected`])
  }
  const values = resolvedValues(layer, environment, path)
  if (options.json) {
    printJson(values)
    return
  }
  const rows = values.map((one) => [one.path, printedValue(one.value), one.unit ?? '', one.origin])
  for (const line of tableLines(['PATH', 'VALUE', 'UNIT', 'FROM'], rows)) console.log(line)
}

function printedValue(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value)
}
