import { setTimeout as pause } from 'node:timers/promises'
import { controlPlane, endpointsSeconds } from '@regent/contract/control-plane.ts'
import { HealthServer } from '@regent/runtime/health/health-server.ts'
import type { Log } from '@regent/runtime/logging/log.ts'
import { AgentRegistry } from './agents/agent-registry.ts'
import { NewestCensus } from './census/newest-census.ts'
import { takeCensus } from './census/take-census.ts'
import { AgentQueue } from './commands/agent-queue.ts'
import { Commands } from './commands/commands.ts'
import { HourlyLease } from './commands/hourly-lease.ts'
import { SharedFollow } from './commands/shared-follow.ts'
import { Sweep } from './commands/sweep.ts'
import type { Configuration } from './configuration/configuration.ts'
import type { GracefulStop } from '@regent/runtime/lifecycle/graceful-stop.ts'
import { livenessChecks, readinessChecks } from './health/checks.ts'
import { StoreProbe } from './health/store-probe.ts'
import { ClientAddresses } from './http/client-address.ts'
import { EventStreams } from './http/event-streams.ts'
import { Gate } from './http/gate.ts'
import { HttpApi } from './http/http-api.ts'
import { agentOperations } from './http/operations/agents.ts'
import { callerOperations } from './http/operations/callers.ts'
import { commandOperations } from './http/operations/commands.ts'
import { keyOperations } from './http/operations/keys.ts'
import { stateOperations } from './http/operations/state.ts'
import { StateExports } from './http/state-exports.ts'
import { TlsFiles } from './http/tls-files.ts'
import { AgentsServer } from './hub/agents-server.ts'
import { authenticateAgents } from './hub/authenticate.ts'
import { Hub } from './hub/hub.ts'
import type { AgentIdentity } from './identity/agent-identity.ts'
import { AgentKeys } from './identity/agent-keys.ts'
import { Agents } from './identity/agents.ts'
import { apiServerKeys } from './identity/api-server-keys.ts'
import { KeySet } from './identity/key-set.ts'
import { oidcKeys } from './identity/oidc-keys.ts'
import { OidcTokens } from './identity/oidc-tokens.ts'
import { People } from './identity/people.ts'
import { PeopleTokens } from './identity/people-tokens.ts'
import { ServiceAccountTokens } from './identity/service-account-tokens.ts'
import { ControlPlaneMetrics } from './metrics/control-plane-metrics.ts'
import { sweepAbandonedImports } from './state/abandoned-imports.ts'
import { StateImports } from './state/state-imports.ts'
import { prefixes } from './store/keys.ts'
import { Store } from './store/store.ts'

/** Most connections of agents at one pod. */
const mostAgentConnections = 20_000

/** The ports of the control plane, by their names in the contract. */
export type Ports = Readonly<Record<keyof typeof controlPlane.ports, number>>

export interface ServeOptions {
  readonly configuration: Configuration
  readonly log: Log
  readonly stop: GracefulStop
  /** @default the contract's */
  readonly ports?: Ports
}

/**
 * Puts the control plane together and opens its ports. What it is made of is closed by `stop`.
 *
 * @returns the ports that were opened
 * @throws where a port cannot be opened or a certificate cannot be used
 */
export async function serve({ configuration, log, stop, ports }: ServeOptions): Promise<Ports> {
  const { podName, podUid, listenAddress, drainBudgetSeconds, publicUrl } = configuration
  const ended = new AbortController()
  const metrics = new ControlPlaneMetrics()
  const store = openStore(configuration, metrics, log)
  const probe = new StoreProbe(store)
  const lease = new HourlyLease(store)
  const ofCommands = { store, lease, observeEnd: metrics.observeCommand, log }
  const commands = new Commands({ ...ofCommands, mostOpen: configuration.mostOpenCommands })
  const imports = new StateImports({ store, lease, log })
  const open = new SharedFollow(store, prefixes.allOpenCommands, log)
  const newestCensus = new NewestCensus(store, log)
  const sweep = new Sweep({
    ...ofCommands,
    afterwards: (left, signal) => takeCensus({ store, pod: podName, log }, left, signal),
  })
  const tasks = [
    probe.run(ended.signal),
    open.run(ended.signal),
    newestCensus.run(ended.signal),
    sweep.run(ended.signal),
    sweepAbandonedImports(imports, ended.signal, log),
  ]

  const clusterKeys = new KeySet({ source: apiServerKeys(apiServerOf(configuration)), log })
  const serviceAccounts = new ServiceAccountTokens({ keys: clusterKeys })
  const agentKeys = new AgentKeys(store)
  const peopleTokens = new PeopleTokens(store)
  const oidc = oidcTokensOf(configuration, log)
  const { of: addressOf } = new ClientAddresses(configuration.trustedProxies)
  const tls = tlsFilesOf(configuration)
  const agentsTls = tlsFilesOf(configuration, configuration.agentCaFile)

  const hub = new Hub({
    store,
    pod: { name: podName, uid: podUid },
    heartbeatIntervalSeconds: configuration.heartbeatIntervalSeconds,
    staleAfterSeconds: configuration.staleAfterSeconds,
    openQueue: ({ agentId, connectionId, epoch, holder, fence }, events) =>
      new AgentQueue({
        ...ofCommands,
        open,
        agentId,
        fence,
        deliverer: { connectionId, holder, epoch: String(epoch) },
        ...events,
      }),
    events: metrics.hubEvents,
    log,
  })
  hub.start()
  metrics.observe(() => ({
    health: hub.health,
    connections: hub.connections,
    queueDepth: hub.queueDepth,
    census: newestCensus.census,
  }))

  const certificate = await agentsTls?.read()
  const agents = new AgentsServer<AgentIdentity>({
    address: listenAddress,
    port: ports?.agents ?? controlPlane.ports.agents.number,
    mostConnections: mostAgentConnections,
    ...(certificate !== undefined && { tls: certificate }),
    authenticate: authenticateAgents({
      agents: new Agents({ keys: agentKeys, serviceAccounts }),
      isReady: () => hub.isReady,
      addressOf,
      log,
    }),
    onAgent: (socket, identity) => hub.accept(socket, identity),
  })
  const endRefresh =
    certificate === undefined
      ? () => undefined
      : agentsTls?.keepFresh({ setSecureContext: (settings) => agents.useCertificate(settings) }, certificate, log)

  const registry = new AgentRegistry(store)
  const api = await HttpApi.create({
    operations: [
      ...agentOperations(registry, log),
      ...commandOperations({ commands, agents: registry }),
      ...keyOperations(agentKeys),
      ...callerOperations(peopleTokens, log),
      ...stateOperations(imports),
    ],
    events: new EventStreams({ store, log }),
    exports: new StateExports({ store, from: publicUrl, log }),
    gate: new Gate({
      people: new People({ tokens: peopleTokens, serviceAccounts, ...(oidc !== undefined && { oidc }) }),
      now: () => performance.now(),
    }),
    log,
    metrics: metrics.instruments,
    publicUrl,
    addressOf,
    tls,
  })
  const health = new HealthServer({
    address: listenAddress,
    port: ports?.health ?? controlPlane.ports.health.number,
    liveness: livenessChecks,
    readiness: () => readinessChecks({ store: probe, hub, stopping: stop.isStopping }),
    metrics: { contentType: metrics.contentType, text: () => metrics.text() },
    onError: (error) => log.error('scrape-failed', { reason: String(error) }),
  })

  stop.guard(async () => {
    // Not ready from now on, while people are still answered: until endpoints have forgotten this pod, they are sent here,
    // also where there is no agent to move.
    const servedOnMs = Math.min(endpointsSeconds, drainBudgetSeconds) * 1000
    await Promise.all([hub.drain(drainBudgetSeconds), pause(servedOnMs)])
    await Promise.all([api.close(), agents.close(), hub.close()])
    endRefresh?.()
    ended.abort()
    await Promise.all(tasks)
    store.close()
    await health.close()
    return true
  })
  return {
    health: await health.listen(),
    agents: await agents.listen(),
    api: await api.listen({ address: listenAddress, port: ports?.api ?? controlPlane.ports.api.number }),
  }
}

function openStore(configuration: Configuration, metrics: ControlPlaneMetrics, log: Log): Store {
  const { etcdEndpoints, etcdCaFile, etcdCertificateFile, etcdKeyFile } = configuration
  const isSecure = etcdEndpoints.some((endpoint) => endpoint.startsWith('https:'))
  return new Store({
    endpoints: etcdEndpoints,
    ...(isSecure && {
      tls: { caFile: etcdCaFile, certificateFile: etcdCertificateFile, keyFile: etcdKeyFile },
    }),
    observe: metrics.observeStore,
    log,
  })
}

function tlsFilesOf(
  { servesTls, tlsCertificateFile, tlsKeyFile }: Configuration,
  clientCaFile?: string,
): TlsFiles | undefined {
  if (!servesTls) return undefined
  return new TlsFiles({
    certificateFile: tlsCertificateFile,
    keyFile: tlsKeyFile,
    ...(clientCaFile !== undefined && { clientCaFile }),
  })
}

function oidcTokensOf({ oidc }: Configuration, log: Log): OidcTokens | undefined {
  if (oidc === undefined) return undefined
  const { issuer, caFile } = oidc
  const source = oidcKeys({ issuer, ...(caFile !== undefined && { caFile }) })
  return new OidcTokens({ ...oidc, keys: new KeySet({ source, log }) })
}

function apiServerOf({ kubernetesHost, kubernetesPort, kubernetesTokenFile, kubernetesCaFile }: Configuration) {
  return {
    host: kubernetesHost,
    port: Number(kubernetesPort),
    tokenFile: kubernetesTokenFile,
    caFile: kubernetesCaFile,
  }
}
