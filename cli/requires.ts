import type { Command } from 'commander'
import { hasErrors } from '../lib/report.ts'
import { checkRequirement, type Finding } from './check-requirement.ts'
import type { ClusterOptions } from './cluster-connection.ts'
import { type ClusterView, connect, Unanswered } from './cluster-view.ts'
import { selectEnvironment } from './environments.ts'
import { Refusal, UsageError } from './errors.ts'
import { printJson, printProblems, tableLines } from './print.ts'
import { type Requirement, requirementName, requirementsOf } from './requirements.ts'

interface Options extends ClusterOptions {
  readonly check?: true
  readonly json?: true
}

export function addRequires(program: Command): void {
  program
    .command('requires')
    .description('list what a cluster must have before the manifests of an environment work on it')
    .argument('<environment>', 'name of an environment')
    .option('--check', 'ask the cluster; exit with 1 if it lacks something or does not say')
    .option('--kubeconfig <file>', 'kubeconfig of the cluster (default: as kubectl finds it)')
    .option('--context <name>', 'context of the kubeconfig (default: its current one)')
    .option('--json', 'print a JSON array, with the findings where the cluster was asked')
    .addHelpText(
      'after',
      `
Examples:
  $ npx regent requires production-us-east-1
  $ npx regent requires local --check
  $ npx regent requires staging --check --kubeconfig ~/.kube/staging --context admin`,
    )
    .action(requires)
}

async function requires(name: string, options: Options) {
  const [layer, { render }, { readImageLock }] = await Promise.all([
    selectEnvironment(name),
    import('../lib/render.ts'),
    import('../lib/images/lock.ts'),
  ])
  if (options.check !== true && (options.kubeconfig ?? options.context) !== undefined) {
    throw new UsageError('--kubeconfig and --context say which cluster to ask: add --check')
  }
  const { environment, index, problems } = render(layer, readImageLock())
  if (environment === undefined || index === undefined || hasErrors(problems)) {
    printProblems(problems)
    throw new Refusal([`error: what ${name} requires is not known before these are corrected`])
  }
  const requirements = requirementsOf(environment, index)
  if (!options.check) {
    if (options.json) printJson(requirements)
    else
      printTable(
        ['KIND', 'NAME', 'NEEDED FOR'],
        requirements.map((one) => [...row(one), one.purpose]),
      )
    return
  }

  const cluster = await connect(options)
  const found = await Promise.all(requirements.map(async (one) => ({ ...one, ...(await answer(one, cluster)) })))
  if (options.json) printJson(found)
  else
    printTable(
      ['KIND', 'NAME', 'STATUS', 'WHY', 'NEEDED FOR'],
      found.map((one) => [...row(one), one.status, one.why, one.purpose]),
    )
  if (found.some(({ status }) => status !== 'met')) process.exitCode = 1
}

async function answer(requirement: Requirement, cluster: ClusterView): Promise<Finding> {
  try {
    return await checkRequirement(requirement, cluster)
  } catch (error) {
    if (!(error instanceof Unanswered)) throw error
    return { status: 'unknown', why: error.message }
  }
}

function row(requirement: Requirement): readonly string[] {
  return [requirement.kind, requirementName(requirement)]
}

function printTable(head: readonly string[], rows: readonly (readonly string[])[]): void {
  for (const line of tableLines(head, rows)) console.log(line)
}
