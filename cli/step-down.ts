import { type Command, InvalidArgumentError } from 'commander'
import { type ClusterOptions, connectionTo } from './cluster-connection.ts'
import { printJson, visible } from './print.ts'

interface Options extends ClusterOptions {
  readonly force?: true
  readonly timeoutSeconds: number
  readonly json?: true
}

const longestTimeoutSeconds = 3600

export function addStepDown(program: Command): void {
  program
    .command('step-down')
    .description('tell the leader of an agent to hand over to a standby, and wait until another leads')
    .argument('<agent>', 'id of an agent')
    .option('--force', 'also where no standby is ready')
    .option('--timeout-seconds <seconds>', 'how long to wait for another leader', secondsOf, 60)
    .option('--kubeconfig <file>', 'kubeconfig of the cluster (default: as kubectl finds it)')
    .option('--context <name>', 'context of the kubeconfig (default: its current one)')
    .option('--json', 'print a JSON object: from, to, node, epoch, seconds')
    .addHelpText(
      'after',
      `
Examples:
  $ npx regent step-down staging
  $ npx regent step-down production-us-east-1 --context us-east-1 --timeout-seconds 120`,
    )
    .action(stepDown)
}

async function stepDown(agent: string, options: Options) {
  const [{ inWords }, { agentLeases }, { handOver }, connection] = await Promise.all([
    import('./agent-leadership.ts'),
    import('./agent-leases.ts'),
    import('./hand-over.ts'),
    connectionTo(options),
  ])
  const { force = false, timeoutSeconds } = options
  const done = await handOver(agentLeases(connection), agent, { force, timeoutSeconds, time: connection.time })
  if (options.json) {
    printJson(done)
    return
  }
  const at = done.node === null ? '' : ` on ${done.node}`
  const after = `${inWords(done.seconds)} after ${done.from} was asked to hand over`
  console.log(visible(`${agent}: ${done.to}${at} leads with epoch ${done.epoch}, ${after}`))
}

function secondsOf(text: string): number {
  const seconds = Number(text)
  if (/^[0-9]+(\.[0-9]+)?$/.test(text) && seconds > 0 && seconds <= longestTimeoutSeconds) return seconds
  throw new InvalidArgumentError(`Expected a number of seconds up to ${longestTimeoutSeconds}.`)
}
