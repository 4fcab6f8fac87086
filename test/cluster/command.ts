import { existsSync, readFileSync } from 'node:fs'
import { constants } from 'node:os'
import { join } from 'node:path'
import { Command } from 'commander'
import { wholeNumber } from '../whole-number.ts'
import { removeAbandoned, removeCluster } from './cleanup.ts'
import { keep, startCluster } from './cluster.ts'
import { run } from './command-line.ts'
import { isRunning } from './identity.ts'
import { Journal, keptFolders } from './journal.ts'
import { say } from './progress.ts'
import type { ClusterState } from './state.ts'

/** More than the largest environment needs; what a machine can carry may be less. */
const mostNodes = 16

/** The tests' cluster for a person: it stays until `down`. */
const program = new Command('npm run cluster --').description("the tests' cluster, which stays until it is removed")
program
  .command('up')
  .description('start a cluster and print its kubeconfig')
  .option('--nodes <count>', 'nodes, which need root; 0 starts a control plane alone', wholeNumber(0, mostNodes), 1)
  .option('--apply <environment>', 'apply what dist/ has of an environment')
  .action(async ({ nodes, apply }: { nodes: number; apply?: string }) => {
    process.exitCode = await up(nodes, apply)
  })
program
  .command('status')
  .description('say what runs')
  .action(async () => {
    process.exitCode = await status()
  })
program
  .command('down')
  .description('remove it')
  .action(async () => {
    process.exitCode = await down()
  })

async function up(nodes: number, environment: string | undefined): Promise<number> {
  const manifests = environment === undefined ? undefined : join('dist', environment)
  if (manifests !== undefined && !existsSync(manifests)) {
    console.error(`--apply: ${manifests} does not exist; write it with npm run synth`)
    return 2
  }
  if (keptFolders().length > 0) {
    console.error('a cluster is up already: npm run cluster -- down')
    return status()
  }
  let remove: (() => Promise<void>) | undefined
  const onSignal = (signal: NodeJS.Signals): void => {
    void Promise.resolve(remove?.()).finally(() => process.exit(128 + constants.signals[signal]))
  }
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, onSignal)
  try {
    const started = await startCluster(nodes === 0 ? { kind: 'api' } : { kind: 'nodes', nodes }, (removal) => {
      remove = removal
    })
    keep(started.state)
    console.log(`export KUBECONFIG=${started.state.kubeconfig}`)
    if (manifests === undefined) return 0
    const { kubectl, kubeconfig } = started.state
    const command = [kubectl, `--kubeconfig=${kubeconfig}`, 'apply', `--filename=${manifests}`, '--recursive']
    const applied = await run(command, { seconds: 300 })
    process.stdout.write(applied.stdout)
    process.stderr.write(applied.stderr)
    return applied.exitCode
  } catch (error) {
    await remove?.()
    throw error
  }
}

async function down(): Promise<number> {
  for (const folder of keptFolders()) await removeCluster(folder)
  await removeAbandoned()
  return status()
}

async function status(): Promise<number> {
  const folders = keptFolders()
  if (folders.length === 0) say('no cluster is up')
  for (const folder of folders) {
    const ended = new Journal(folder)
      .entries()
      .filter((entry) => entry.kind === 'process' && !isRunning(entry.process))
      .map((entry) => (entry.kind === 'process' ? entry.name : ''))
    const { kubeconfig, kubectl } = JSON.parse(readFileSync(join(folder, 'state.json'), 'utf8')) as ClusterState
    console.log(`export KUBECONFIG=${kubeconfig}`)
    say(`logs: ${join(folder, 'logs')}`)
    if (ended.length > 0) say(`ended: ${ended.join(', ')}`)
    const { stdout, stderr } = await run([kubectl, `--kubeconfig=${kubeconfig}`, 'get', 'nodes', '--output=wide'])
    process.stderr.write(stdout || stderr)
  }
  return 0
}

await program.parseAsync()
