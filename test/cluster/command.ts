import { existsSync, readFileSync } from 'node:fs'
import { constants } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { removeAbandoned, removeCluster } from './cleanup.ts'
import { keep, startCluster } from './cluster.ts'
import { run } from './command-line.ts'
import { isRunning } from './identity.ts'
import { Journal, keptFolders } from './journal.ts'
import { say } from './progress.ts'
import type { ClusterState } from './state.ts'

const USAGE = `npm run cluster -- up [--nodes N] [--apply ENVIRONMENT]   start a cluster and print its kubeconfig
npm run cluster -- status                                 say what runs
npm run cluster -- down                                   remove it

--nodes 0 starts a control plane alone, which needs no root.`

/** The tests' cluster for a person: it stays until \`down\`. */
async function main(): Promise<number> {
  const options = { nodes: { type: 'string', default: '1' }, apply: { type: 'string' } } as const
  const { values, positionals } = parseArgs({ options, allowPositionals: true })
  switch (positionals.join(' ')) {
    case 'up':
      return up(Number(values.nodes), values.apply)
    case 'down':
      return down()
    case 'status':
      return status()
    default:
      console.error(USAGE)
      return 2
  }
}

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

process.exitCode = await main()
