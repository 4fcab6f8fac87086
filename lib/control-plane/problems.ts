import { endpointsSeconds, fewestMissedHeartbeats } from '@regent/contract/control-plane.ts'
import { exitSeconds } from '@regent/contract/election.ts'
import type { Problem } from '@regent/contract/problem.ts'
import type { Environment } from '../config/environment.ts'
import { oidcProblems } from './oidc-problems.ts'

/** What is wrong with the control plane of an environment beyond its schema. */
export function controlPlaneProblems(environment: Environment): readonly Problem[] {
  const { name, purpose, agent, controlPlane, consensus } = environment
  const problems: Problem[] = []
  const add = (path: string, received: string, expected: string, fix: string) =>
    problems.push({ path: `${name}.${path}`, received, expected, fix, severity: 'error' })

  if (controlPlane === null) {
    if (agent.controlPlane === null) {
      add(
        'agent.controlPlane',
        'null',
        'a control plane, here or elsewhere',
        'set controlPlane and consensus, or agent.controlPlane',
      )
    }
    if (consensus !== null) {
      add('consensus', 'settings', 'null without a control plane', 'remove it: nothing would use it')
    }
    return problems
  }

  if (agent.controlPlane !== null) {
    add('agent.controlPlane', 'settings', 'null where the environment has a control plane', 'remove one of the two')
  }
  if (consensus === null) {
    add('consensus', 'null', 'settings of the etcd behind the control plane', 'add consensus')
  }
  if (controlPlane.autoscaling !== null && controlPlane.autoscaling.maxReplicas < controlPlane.replicas) {
    add(
      'controlPlane.autoscaling.maxReplicas',
      String(controlPlane.autoscaling.maxReplicas),
      `at least controlPlane.replicas (${controlPlane.replicas}), which is the minimum`,
      `use ${controlPlane.replicas} or more`,
    )
  }
  const stalest = fewestMissedHeartbeats * controlPlane.heartbeatIntervalSeconds
  if (controlPlane.staleAfterSeconds < stalest) {
    add(
      'controlPlane.staleAfterSeconds',
      String(controlPlane.staleAfterSeconds),
      `at least ${fewestMissedHeartbeats} × heartbeatIntervalSeconds (${controlPlane.heartbeatIntervalSeconds})`,
      `use ${stalest} or more: one late heartbeat must not make an agent stale`,
    )
  }
  if (controlPlane.drainBudgetSeconds < endpointsSeconds) {
    add(
      'controlPlane.drainBudgetSeconds',
      String(controlPlane.drainBudgetSeconds),
      `at least ${endpointsSeconds} s, which is what endpoints may take to forget a pod that stops`,
      `use ${endpointsSeconds} or more: whoever calls would be sent to pods that do not listen any more`,
    )
  }
  if (controlPlane.terminationGracePeriodSeconds < controlPlane.drainBudgetSeconds + exitSeconds) {
    add(
      'controlPlane.terminationGracePeriodSeconds',
      String(controlPlane.terminationGracePeriodSeconds),
      `at least drainBudgetSeconds (${controlPlane.drainBudgetSeconds}) + ${exitSeconds} s`,
      `use ${controlPlane.drainBudgetSeconds + exitSeconds} or more: connections would be cut in the middle of their move`,
    )
  }
  if (purpose !== 'development' && controlPlane.tlsSecretName === null) {
    add(
      'controlPlane.tlsSecretName',
      'null',
      'a Secret outside of development',
      'name the Secret that holds the certificate: tokens would travel in the clear',
    )
  }
  if (controlPlane.agentCertificates !== null && controlPlane.tlsSecretName === null) {
    add(
      'controlPlane.agentCertificates',
      'settings',
      'null without tlsSecretName',
      'set tlsSecretName, or remove it: certificates of clients are a part of TLS',
    )
  }
  const { namespaces, cidrs } = controlPlane.clients
  if (controlPlane.agentCertificates !== null && namespaces.length + cidrs.length === 0) {
    problems.push({
      path: `${name}.controlPlane.clients`,
      received: 'nobody',
      expected: 'the namespaces or address ranges that agents with certificates come from',
      fix: 'name them: the policy lets in the agents of this environment alone, and those have tokens',
      severity: 'warning',
    })
  }
  if (controlPlane.oidc !== null) problems.push(...oidcProblems(`${name}.controlPlane.oidc`, controlPlane.oidc))
  const scheme = controlPlane.tlsSecretName === null ? 'http' : 'https'
  if (purpose === 'development' && !controlPlane.publicUrl.startsWith(`${scheme}:`)) {
    add(
      'controlPlane.publicUrl',
      controlPlane.publicUrl,
      `a URL with ${scheme}, as tlsSecretName says`,
      'change one of the two',
    )
  }
  return problems
}
