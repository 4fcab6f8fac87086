import { spawn, type ChildProcess } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { constants, tmpdir } from 'node:os'
import { join } from 'node:path'
import base from '../jest.config.js'
import { type Arguments, parseArguments, type Level } from './arguments.ts'
import { openHandles, tellingHandles } from './open-handles.ts'
import { printResults, type Result } from './results.ts'

/**
 * Runs the tests level by level: without a cluster, on a control plane, at its oldest release, on nodes. Whatever
 * needs a cluster is imported only when such a level runs, so that the unit tests start at once.
 *
 *     npm test [-- --level unit,api,oldest,nodes] [--kubeconfig FILE] [arguments of jest]
 */

const { levels, isExplicit, kubeconfig, jestArguments } = parsed()
/** Where a run must prove everything, a level that cannot start is a failure and not a remark. */
const mustRunAll = isExplicit || (process.env['CI'] ?? 'false') !== 'false'

/**
 * Tests that have nothing to say of an older release of Kubernetes: of this machinery, of registries, of flows, which
 * it does not change; of publishers' definitions of today, some of which use fields that it does not know; of what
 * becomes of faults, most of which must be refused by an admission fence that it does not have; and of etcd, HTTP and
 * WebSockets.
 */
const NOT_OF_OLDER_RELEASES =
  '/test/(cluster/(cleanup|custom-resources|images|tools)\\.|(agents|chain|commands|faults|http|hub|images|network-policy|state|store)/)'

const FILES: Record<Level, { readonly suffix: string; readonly seconds: number; readonly without?: string }> = {
  unit: { suffix: '', seconds: 20 },
  api: { suffix: '.api', seconds: 60 },
  oldest: { suffix: '.api', seconds: 60, without: NOT_OF_OLDER_RELEASES },
  nodes: { suffix: '.nodes', seconds: 240 },
}

/** jest's configuration for one level. Levels differ in which files they run and in how long a test may take. */
function configurationOf(level: Level): string {
  const { suffix, seconds, without } = FILES[level]
  const others = ['.api', '.nodes'].filter((other) => other !== suffix)
  return JSON.stringify({
    ...base,
    rootDir: join(import.meta.dirname, '..'),
    testMatch: base.testMatch.map((pattern) => pattern.replace('*.test.ts', `*${suffix}.test.ts`)),
    testPathIgnorePatterns: [
      '/node_modules/',
      ...others.map((other) => `\\${other}\\.test\\.ts$`),
      ...(without === undefined ? [] : [without]),
    ],
    testTimeout: seconds * 1000,
  })
}

/** The command line, or the end with what is wrong with it. */
function parsed(): Arguments {
  try {
    return parseArguments(process.argv.slice(2))
  } catch (error) {
    console.error(error instanceof Error ? error.message : error)
    process.exit(2)
  }
}

const children = new Set<ChildProcess>()
let interrupted = false

/** Runs jest to its end and returns its exit code. */
function jest(
  level: Level,
  args: readonly string[],
  env: NodeJS.ProcessEnv,
  { output, ofNode = [] }: { readonly output?: string[]; readonly ofNode?: readonly string[] } = {},
): Promise<number> {
  const options = ['--experimental-vm-modules', '--disable-warning=ExperimentalWarning', ...ofNode]
  const program = join(import.meta.dirname, '..', 'node_modules', 'jest', 'bin', 'jest.js')
  // Tests of one cluster share its namespaces and its nodes: they do not run beside each other.
  const serial = level === 'unit' ? [] : ['--runInBand']
  const child = spawn(
    process.execPath,
    [...options, program, '--config', configurationOf(level), ...serial, ...args, ...jestArguments],
    { env: { ...process.env, ...env }, stdio: ['ignore', output === undefined ? 'inherit' : 'pipe', 'inherit'] },
  )
  children.add(child)
  child.stdout?.on('data', (chunk: Buffer) => output?.push(chunk.toString()))
  return new Promise((resolve, reject) => {
    child.on('error', reject)
    child.on('close', (code) => {
      children.delete(child)
      // After a signal nothing more is run or said: the handler below cleans up and ends.
      if (!interrupted) resolve(code ?? 1)
    })
  })
}

interface JestReport {
  readonly numPassedTests: number
  readonly numFailedTests: number
  /** Files that could not even be loaded: their tests are in no other number. */
  readonly numRuntimeErrorTestSuites: number
}

/** How long jest may take to end once every test has ended, in seconds. */
const ENDS_WITHIN_SECONDS = 60
/** How long it may take to tell what it has open, in seconds. */
const TELLS_WITHIN_SECONDS = 5

/** Ends a jest that stays although it has written its report: something that a test left open must not hold the rest. */
function endAfterReport(file: string, folder: string): () => void {
  let reportedAt: number | undefined
  let isAsked = false
  const timer = setInterval(() => {
    if (!existsSync(file)) return
    reportedAt ??= performance.now()
    const seconds = (performance.now() - reportedAt) / 1000
    if (seconds < ENDS_WITHIN_SECONDS) return
    if (!isAsked) for (const child of children) child.kill('SIGUSR2')
    isAsked = true
    if (seconds < ENDS_WITHIN_SECONDS + TELLS_WITHIN_SECONDS) return
    console.error(
      [
        `jest has reported and does not end within ${ENDS_WITHIN_SECONDS} s: a test left something open. It is ended, and counts as failed.`,
        ...openHandles(folder),
      ].join('\n  '),
    )
    for (const child of children) child.kill('SIGKILL')
  }, 1000)
  return () => clearInterval(timer)
}

async function runTests(level: Level, env: NodeJS.ProcessEnv): Promise<Pick<Result, 'passed' | 'failed'>> {
  const folder = mkdtempSync(join(tmpdir(), 'regent-test-'))
  const discard = (): void => rmSync(folder, { recursive: true, force: true })
  // After a signal this function never gets to its end.
  process.once('exit', discard)
  const file = join(folder, 'report.json')
  const endWatching = endAfterReport(file, folder)
  try {
    const exitCode = await jest(level, ['--passWithNoTests', '--json', `--outputFile=${file}`], env, {
      ofNode: tellingHandles(folder),
    })
    const report = JSON.parse(readFileSync(file, 'utf8')) as JestReport
    const failed = report.numFailedTests + report.numRuntimeErrorTestSuites
    return { passed: report.numPassedTests, failed: exitCode === 0 ? failed : Math.max(failed, 1) }
  } finally {
    endWatching()
    discard()
    process.off('exit', discard)
  }
}

let remove: (() => Promise<void>) | undefined

/** Runs one level that needs a cluster, from its start to its removal. */
async function runOnCluster(level: Exclude<Level, 'unit'>): Promise<Result> {
  const listed: string[] = []
  await jest(level, ['--listTests'], {}, { output: listed })
  if (listed.join('').trim() === '')
    return { level, ran: false, why: 'no test matches', passed: 0, failed: 0, stages: [] }
  const { prepareLevel, startLevel, useForeign } = await import('./cluster/levels.ts')
  const { say, stage, takeStages } = await import('./cluster/progress.ts')
  const { Unavailable } = await import('./cluster/unavailable.ts')
  const { STATE_VARIABLE } = await import('./cluster/state.ts')
  if (kubeconfig !== undefined && level !== 'api') {
    return { level, ran: false, why: 'needs a cluster of our own, not --kubeconfig', passed: 0, failed: 0, stages: [] }
  }
  const onCreated = (removal: () => Promise<void>): unknown => (remove = removal)
  say(`\n${level}`)
  try {
    await prepareLevel(level)
    const state = await (kubeconfig === undefined ? startLevel(level, onCreated) : useForeign(kubeconfig, onCreated))
    const counts = await stage('tests', () => runTests(level, { [STATE_VARIABLE]: state }))
    await remove?.()
    return { level, ran: true, why: '', ...counts, stages: takeStages() }
  } catch (error) {
    if (interrupted) await new Promise(() => undefined)
    await remove?.()
    const unavailable = error instanceof Unavailable
    if (!unavailable) console.error(error)
    const failed = unavailable && !mustRunAll ? 0 : 1
    const why = (error instanceof Error ? error.message : String(error)).split('\n')[0] ?? ''
    return { level, ran: false, why, passed: 0, failed, stages: takeStages() }
  } finally {
    remove = undefined
  }
}

async function runUnit(): Promise<Result> {
  const begun = performance.now()
  const counts = await runTests('unit', {})
  const stages = [{ name: 'tests', seconds: (performance.now() - begun) / 1000 }]
  return { level: 'unit', ran: true, why: '', ...counts, stages }
}

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.once(signal, () => {
    interrupted = true
    for (const child of children) child.kill('SIGKILL')
    void Promise.resolve(remove?.()).finally(() => process.exit(128 + constants.signals[signal]))
  })
}

const results: Result[] = []
for (const level of levels) results.push(level === 'unit' ? await runUnit() : await runOnCluster(level))
process.exitCode = printResults(results)
