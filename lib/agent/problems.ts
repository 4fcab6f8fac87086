import { gracePeriodProblems, timingProblems } from '@regent/contract/election.ts'
import type { Problem } from '@regent/contract/problem.ts'
import { admissionPolicySince } from '../admission-policy/validating-admission-policy.ts'
import { isAtLeast } from '../config/cluster-settings.ts'
import type { Environment } from '../config/environment.ts'
import { electionTiming } from './timing.ts'

/** What is wrong with the agent of an environment beyond its schema. */
export function agentProblems(environment: Environment): readonly Problem[] {
  const { agent, cluster } = environment
  const path = `${environment.name}.agent`
  const problems: Problem[] = [...proofProblems(`${path}.controlPlane`, environment)]

  if (agent.replicas > 1 && !agent.leaderElection.enabled) {
    problems.push({
      path: `${path}.replicas`,
      received: String(agent.replicas),
      expected: '1 while leaderElection.enabled is false',
      fix: 'set leaderElection.enabled to true: replicas without election evict each other from the control plane every 2 s',
      severity: 'error',
    })
  }
  if (agent.leaderElection.enabled) {
    const timing = electionTiming(agent.leaderElection)
    const election = `${path}.leaderElection`
    problems.push(
      ...timingProblems(timing, {
        leaseDurationSeconds: `${election}.leaseDurationSeconds`,
        renewDeadlineSeconds: `${election}.renewDeadlineSeconds`,
        retryPeriodSeconds: `${election}.retryPeriodSeconds`,
        abortBudgetSeconds: `${election}.abortBudgetSeconds`,
      }),
      ...gracePeriodProblems(`${path}.terminationGracePeriodSeconds`, { ...agent, ...timing }),
    )
    if (!isAtLeast(cluster.kubernetesVersion, admissionPolicySince)) {
      problems.push({
        path: `${environment.name}.cluster.kubernetesVersion`,
        received: cluster.kubernetesVersion,
        expected: `${admissionPolicySince} or newer for the admission fence`,
        fix: 'upgrade the cluster: without the fence, a request of a former leader that is still on its way can land after the takeover',
        severity: 'warning',
      })
      for (const [kind, isUsed] of Object.entries(agent.leaderElection.evidence)) {
        if (!isUsed) continue
        problems.push({
          path: `${election}.evidence.${kind}`,
          received: 'true',
          expected: `false below Kubernetes ${admissionPolicySince}, which has no admission fence`,
          fix: 'set it to false or upgrade the cluster: evidence can be wrong, and what a leader that was taken for dead still writes is then refused by the fence alone',
          severity: 'warning',
        })
      }
    }
  } else {
    problems.push(...gracePeriodProblems(`${path}.terminationGracePeriodSeconds`, { ...agent, abortBudgetSeconds: 0 }))
  }
  return problems
}

/** What is wrong with how the agent proves itself at a control plane elsewhere. */
function proofProblems(path: string, { purpose, agent }: Environment): readonly Problem[] {
  if (agent.controlPlane === null) return []
  const { url, apiKeySecretName, clientCertificateSecretName } = agent.controlPlane
  const problems: Problem[] = []
  if ((apiKeySecretName === null) === (clientCertificateSecretName === null)) {
    problems.push({
      path: `${path}.apiKeySecretName`,
      received: apiKeySecretName === null ? 'neither it nor clientCertificateSecretName' : 'both',
      expected: 'exactly one of apiKeySecretName and clientCertificateSecretName',
      fix: 'name the Secret of the proof that this agent was given, and set the other to null',
      severity: 'error',
    })
  }
  if (!url.startsWith('https:') && (purpose !== 'development' || clientCertificateSecretName !== null)) {
    problems.push({
      path: `${path}.url`,
      received: url,
      expected: clientCertificateSecretName === null ? 'https outside of development' : 'https',
      fix:
        clientCertificateSecretName === null
          ? 'use https: the API key would travel in the clear'
          : 'use https: a client certificate is a part of TLS',
      severity: 'error',
    })
  }
  return problems
}
