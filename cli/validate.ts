import type { Command } from 'commander'
import { hasErrors, sorted } from '../lib/report.ts'
import { selectEnvironments } from './environments.ts'
import { counted, printJson, printProblems } from './print.ts'

export function addValidate(program: Command): void {
  program
    .command('validate')
    .description('report everything that is wrong with environments, at once; writes nothing')
    .argument('[environment...]', 'environments to validate (default: all of them)')
    .option('--json', 'print the problems as a JSON array')
    .addHelpText(
      'after',
      `
Examples:
  $ npx regent validate
  $ npx regent validate staging
  $ npx regent validate --json | jq -r '.[].path'`,
    )
    .action(validate)
}

async function validate(names: readonly string[], options: { readonly json?: true }) {
  const [{ layers }, { synthesize }, { readImageLock }] = await Promise.all([
    selectEnvironments(names),
    import('../lib/synthesize.ts'),
    import('../lib/images/lock.ts'),
  ])
  const { problems } = synthesize(layers, readImageLock())
  if (hasErrors(problems)) process.exitCode = 1
  if (options.json) {
    printJson(sorted(problems))
    return
  }
  printProblems(problems)
  if (!hasErrors(problems)) console.log(`${counted(layers.length, 'environment')}: valid`)
}
