import type { FailoverBound } from '@regent/contract/election.ts'
import type { Command } from 'commander'
import { hasErrors } from '../lib/report.ts'
import { selectEnvironments } from './environments.ts'
import { Refusal } from './errors.ts'
import type { Failover } from './failover-of.ts'
import { counted, printJson, printProblems, tableLines } from './print.ts'

export function addFailover(program: Command): void {
  program
    .command('failover')
    .description('compute how long nobody leads after each fault, at worst, from the configured timings')
    .argument('[environment...]', 'environments to compute for (default: all of them)')
    .option('--json', 'print a JSON array, an entry per environment')
    .addHelpText(
      'after',
      `
Examples:
  $ npx regent failover
  $ npx regent failover production-us-east-1
  $ npx regent failover staging --json | jq '.[0].bounds[] | select(.seconds > 6)'`,
    )
    .action(failover)
}

async function failover(names: readonly string[], options: { readonly json?: true }) {
  const [{ layers }, { parseEnvironment }, { agentProblems }, { failoverOf }] = await Promise.all([
    selectEnvironments(names),
    import('../lib/config/parse.ts'),
    import('../lib/agent/problems.ts'),
    import('./failover-of.ts'),
  ])
  const parsed = layers.map(parseEnvironment)
  const environments = parsed.flatMap(({ environment }) => (environment === undefined ? [] : [environment]))
  const problems = [...parsed, ...environments.map((one) => ({ problems: agentProblems(one) }))].flatMap((one) => [
    ...one.problems,
  ])
  if (hasErrors(problems)) {
    printProblems(problems)
    throw new Refusal(['error: no bounds can be computed before these are corrected'])
  }
  const failovers = environments.map(failoverOf)
  if (options.json) printJson(failovers)
  else console.log(failovers.map((one) => lines(one).join('\n')).join('\n\n'))
}

function lines({ environment, replicas, election, without, bounds }: Failover): readonly string[] {
  if (election === null) return [`${environment}: ${counted(replicas, 'replica')}, no election`, `  ${without ?? ''}`]
  const timing = `lease ${election.leaseDurationSeconds} s, renew deadline ${election.renewDeadlineSeconds} s, retry ${election.retryPeriodSeconds} s, abort ${election.abortBudgetSeconds} s`
  const head = `${environment}: ${counted(replicas, 'replica')}, profile ${election.profile}: ${timing}`
  if (without !== null) return [head, `  ${without}`]
  const rows = bounds.map((bound) => [bound.fault, seconds(bound), bound.formula, bound.note])
  return [head, ...tableLines(['FAULT', 'AT WORST', 'FORMULA', 'NOTE'], rows).map((line) => `  ${line}`)]
}

function seconds(bound: FailoverBound): string {
  return bound.seconds === undefined ? 'no failover' : `${bound.seconds} s`
}
