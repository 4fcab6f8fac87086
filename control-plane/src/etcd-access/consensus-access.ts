import { consensusAccess } from '@regent/contract/consensus-access.ts'
import { etcdUsers } from '@regent/contract/etcd-users.ts'
import type { Problem } from '@regent/contract/problem.ts'
import { type Parsed, parseSettings } from '@regent/contract/program.ts'
import type { Environment } from '@regent/runtime/configuration/environment.ts'
import { fileProblems } from '@regent/runtime/configuration/files.ts'
import { HealthServer } from '@regent/runtime/health/health-server.ts'
import type { Host } from '@regent/runtime/host.ts'
import { type Read, type Running, runProgram } from '@regent/runtime/lifecycle/run-program.ts'
import { declaredMetrics } from '@regent/runtime/metrics/declared-metrics.ts'
import { collectDefaultMetrics, Registry } from 'prom-client'
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
 * stop. It ends the process by itself, as {@link runProgram} says. It is ready while etcd is as declared.
 */
export function runConsensusAccess({ host, environment }: ConsensusAccessOptions): Promise<void> {
  return runProgram({
    host,
    environment,
    read,
    always: { pod: environment[consensusAccess.env.podName.variable] },
    stopBudgetSeconds: () => 0,
    start: async (running) => running.log.info('started', { health: await serve(running) }),
  })
}

function read(environment: Environment): Read<Settings> {
  const parsed = parseSettings(consensusAccess, environment)
  const problems = [
    ...('problems' in parsed ? parsed.problems : plainProblems(parsed.settings)),
    ...fileProblems(consensusAccess, environment),
  ]
  return problems.length > 0 || !('settings' in parsed) ? { problems } : { configuration: parsed.settings }
}

/** @returns the port of the health pages */
async function serve({ configuration: settings, stop, log }: Running<Settings>): Promise<number> {
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
    return true
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
