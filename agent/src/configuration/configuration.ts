import { agent } from '@regent/contract/agent.ts'
import { timingProblems } from '@regent/contract/election.ts'
import type { Problem } from '@regent/contract/problem.ts'
import { type Parsed, parseSettings } from '@regent/contract/program.ts'
import type { Environment } from '@regent/runtime/configuration/environment.ts'
import { fileProblems } from '@regent/runtime/configuration/files.ts'
import { clusterFactProblems } from './cluster-facts.ts'

/** What the agent reads from its environment, parsed: see `contract/agent.ts` for what each means. */
export type Configuration = Parsed<typeof agent>

/** The configuration, or everything that is wrong with it. */
export type ConfigurationResult =
  { readonly configuration: Configuration } | { readonly problems: readonly [Problem, ...Problem[]] }

/**
 * Reads the configuration once, at the start. Everything that is wrong is found in one go: variables that are missing,
 * malformed or out of range, values that contradict each other, and files that cannot be read.
 *
 * With `ENABLE_HA=false` the variables of the election are ignored, as if they were not there.
 *
 * Not found out here: whether the API server answers, whether a token is valid, and whether the pod's grace period
 * is long enough for the drain budget, which a program cannot know of its own pod.
 */
export function readConfiguration(environment: Environment): ConfigurationResult {
  const relevant =
    environment[agent.env.leaderElection.variable] === 'false' ? withoutElection(environment) : environment
  const parsed = parseSettings(agent, relevant)
  const problems = 'problems' in parsed ? [...parsed.problems] : contradictions(parsed.settings)
  const misread = new Set(problems.map(({ path }) => path))
  problems.push(
    ...[...clusterFactProblems(relevant), ...fileProblems(agent, relevant)].filter(({ path }) => !misread.has(path)),
  )
  const [first, ...others] = problems
  if (first !== undefined) return { problems: [first, ...others] }
  // Without problems there are settings; the type says it only together.
  return 'settings' in parsed ? { configuration: parsed.settings } : { problems: parsed.problems as [Problem] }
}

function withoutElection(environment: Environment): Environment {
  const ignored = new Set<string>(
    Object.values(agent.env)
      .filter((variable) => 'when' in variable && variable.when === 'election')
      .map(({ variable }) => variable),
  )
  return new Proxy(environment, {
    get: (target, name: string) => (ignored.has(name) ? undefined : target[name]),
  })
}

/** What each variable may say for itself, but not together with the others. */
function contradictions(settings: Configuration): Problem[] {
  const { env } = agent
  const problems = proofProblems(settings)
  if (settings.leaderElection) {
    return [
      ...problems,
      ...timingProblems(settings, {
        leaseDurationSeconds: env.leaseDurationSeconds.variable,
        renewDeadlineSeconds: env.renewDeadlineSeconds.variable,
        retryPeriodSeconds: env.retryPeriodSeconds.variable,
        abortBudgetSeconds: env.abortBudgetSeconds.variable,
      }),
    ]
  }
  if (settings.replicas === 1) return problems
  return [
    ...problems,
    {
      path: env.replicas.variable,
      received: String(settings.replicas),
      expected: `1 while ${env.leaderElection.variable} is false`,
      fix: `set ${env.leaderElection.variable} to true: replicas without election evict each other from the control plane every 2 s`,
      severity: 'error',
    },
  ]
}

/** A client certificate is a part of TLS. */
function proofProblems({ clientCertificateFile, controlPlaneUrl }: Configuration): Problem[] {
  if (clientCertificateFile === undefined || controlPlaneUrl.startsWith('https:')) return []
  const { env } = agent
  return [
    {
      path: env.controlPlaneUrl.variable,
      received: controlPlaneUrl,
      expected: `an https URL, because ${env.clientCertificateFile.variable} is set`,
      fix: 'name the control plane by https, or prove the agent by something else',
      severity: 'error',
    },
  ]
}
