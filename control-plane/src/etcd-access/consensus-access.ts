import { consensusAccess } from '@regent/contract/consensus-access.ts'
import { etcdUsers } from '@regent/contract/etcd-users.ts'
import { describeProblem, type Problem } from '@regent/contract/problem.ts'
import { type Parsed, parseSettings } from '@regent/contract/program.ts'
import type { Environment } from '@regent/runtime/configuration/environment.ts'
import { fileProblems } from '@regent/runtime/configuration/files.ts'
import { HealthServer } from '@regent/runtime/health/health-server.ts'
import type { Host } from '@regent/runtime/host.ts'
import { type Log, openLog } from '@regent/runtime/logging/log.ts'
import { declaredMetrics } from '@regent/runtime/metrics/declared-metrics.ts'
import { collectDefaultMetrics, Registry } from 'prom-client'
import { exitCodes, GracefulStop } from '../graceful-stop.ts'
import { livenessChecks } from '../health/checks.ts'
import { EtcdClient } from '../store/etcd-client.ts'
import { AccessKeeper } from './access-keeper.ts'
import { changeKinds } from './changes.ts'
import { EtcdAccess } from './etcd-access.ts'
import { mustBeRoot } from './root-certificate.ts'

type Settings = Parsed<typeof consensusAccess>

export interface ConsensusAccessOptions {
  readonly host: Host
  readonly environment: Environment
}

/**
 * Runs the program that keeps etcd's users and roles as `contract/etcd-users.ts` declares them, until it is told to
 * stop. It ends the process by itself, with one of {@link exitCodes}. It is ready while etcd is as declared.
 */
export async function runConsensusAccess({ host, environment }: ConsensusAccessOptions): Promise<void> {
  const parsed = parseSettings(consensusAccess, environment)
  const problems = [
    ...('problems' in parsed ? parsed.problems : plainProblems(parsed.settings)),
    ...fileProblems(consensusAccess, environment),
  ]
  if (problems.length > 0 || !('settings' in parsed)) {
    host.complain(`${problems.map(describeProblem).join('\n')}\n`)
    host.exit(exitCodes.misconfigured)
    return
  }
  const { settings } = parsed
  const log = openLog({ level: settings.logLevel, always: { pod: settings.podName } })
  host.onUncaught((error) => {
    try {
      log.error('uncaught', { error: error instanceof Error ? error : new Error(String(error)) })
    } finally {
      host.exit(exitCodes.failed)
    }
  })
  const stop = new GracefulStop({ host, log, drainBudgetSeconds: 0 })
  try {
    log.info('started', { health: await serve(settings, stop, log) })
  } catch (error) {
    log.error('start-failed', { error: error as Error })
    host.exit(exitCodes.failed)
  }
}

/** @returns the port of the health pages */
async function serve(settings: Settings, stop: GracefulStop, log: Log): Promise<number> {
  const { etcdEndpoints, etcdCaFile: caFile, etcdCertificateFile: certificateFile, etcdKeyFile: keyFile } = settings
  const registry = new Registry()
  const metrics = declaredMetrics(consensusAccess.metrics, registry)
  collectDefaultMetrics({ register: registry })
  for (const kind of changeKinds) metrics.changes.inc({ kind }, 0)
  const client = new EtcdClient({ endpoints: etcdEndpoints, tls: { caFile, certificateFile, keyFile } })
  const keeper = new AccessKeeper({
    access: new EtcdAccess(client),
    declared: etcdUsers,
    mayChange: () => mustBeRoot(certificateFile),
    onChange: ({ kind }) => metrics.changes.inc({ kind }),
    log,
  })
  const health = new HealthServer({
    address: settings.listenAddress,
    port: consensusAccess.ports.health.number,
    liveness: livenessChecks,
    readiness: () => [{ name: 'etcd-users', ok: keeper.asDeclared, explanation: keeper.explanation }],
    metrics: {
      contentType: registry.contentType,
      text: async () => {
        metrics.asDeclared.set(keeper.asDeclared ? 1 : 0)
        return await registry.metrics()
      },
    },
    onError: (error) => log.error('scrape-failed', { reason: String(error) }),
  })
  const port = await health.listen()
  const ended = new AbortController()
  const running = keeper.run(ended.signal)
  stop.guard(async () => {
    ended.abort()
    await running
    client.close()
    await health.close()
  })
  return port
}

/** Without certificates etcd knows nobody, and authentication would lock everybody out. */
function plainProblems({ etcdEndpoints }: Settings): readonly Problem[] {
  if (etcdEndpoints.every((endpoint) => endpoint.startsWith('https:'))) return []
  return [
    {
      path: consensusAccess.env.etcdEndpoints.variable,
      received: etcdEndpoints.join(','),
      expected: 'https URLs: etcd knows its users by their certificates',
      fix: 'give etcd TLS, or leave this program out',
      severity: 'error',
    },
  ]
}
