import { controlPlane, fewestMissedHeartbeats } from '@regent/contract/control-plane.ts'
import type { Problem } from '@regent/contract/problem.ts'
import { type Parsed, parseSettings } from '@regent/contract/program.ts'
import type { Environment } from '@regent/runtime/configuration/environment.ts'
import { fileProblems } from '@regent/runtime/configuration/files.ts'
import { type OidcConfiguration, oidcOf, oidcProblems } from './oidc.ts'

/** What the control plane reads from its environment, parsed: see `contract/control-plane.ts` for what each means. */
export type Configuration = Parsed<typeof controlPlane> & {
  /** Whether the API and agents are served over TLS: where a certificate is named. */
  readonly servesTls: boolean
  /** The OpenID provider of people, where there is one. */
  readonly oidc: OidcConfiguration | undefined
}

/** The configuration, or everything that is wrong with it. */
export type ConfigurationResult =
  { readonly configuration: Configuration } | { readonly problems: readonly [Problem, ...Problem[]] }

/**
 * Reads the configuration once, at the start. Everything that is wrong is found in one go: variables that are missing,
 * malformed or out of range, values that contradict each other, and files that cannot be read.
 *
 * Not found out here: whether etcd and the API server answer, and whether a certificate is valid.
 */
export function readConfiguration(environment: Environment): ConfigurationResult {
  const parsed = parseSettings(controlPlane, environment)
  const problems = 'problems' in parsed ? [...parsed.problems] : contradictions(parsed.settings)
  const misread = new Set(problems.map(({ path }) => path))
  problems.push(...fileProblems(controlPlane, environment).filter(({ path }) => !misread.has(path)))
  problems.push(...halves(environment))
  const [first, ...others] = problems
  if (first !== undefined) return { problems: [first, ...others] }
  if (!('settings' in parsed)) return { problems: parsed.problems as [Problem] }
  const servesTls = environment[env.tlsCertificateFile.variable] !== undefined
  return { configuration: { ...parsed.settings, servesTls, oidc: oidcOf(parsed.settings) } }
}

const { env } = controlPlane

/** What each variable may say for itself, but not together with the others. */
function contradictions(settings: Parsed<typeof controlPlane>): Problem[] {
  const problems: Problem[] = []
  const { heartbeatIntervalSeconds, staleAfterSeconds, etcdEndpoints } = settings
  const stalest = fewestMissedHeartbeats * heartbeatIntervalSeconds
  if (staleAfterSeconds < stalest) {
    problems.push({
      path: env.staleAfterSeconds.variable,
      received: String(staleAfterSeconds),
      expected: `at least ${fewestMissedHeartbeats} × ${env.heartbeatIntervalSeconds.variable} (${heartbeatIntervalSeconds})`,
      fix: `set ${stalest} or more: one late heartbeat must not make an agent stale`,
      severity: 'error',
    })
  }
  const schemes = new Set(etcdEndpoints.map((endpoint) => new URL(endpoint).protocol))
  if (schemes.size > 1) {
    problems.push({
      path: env.etcdEndpoints.variable,
      received: etcdEndpoints.join(','),
      expected: 'URLs of one scheme',
      fix: 'name them all with https, or all with http',
      severity: 'error',
    })
  }
  problems.push(...oidcProblems(settings))
  return problems
}

/** Variables that are of no use without another. */
const needs = [
  [env.tlsCertificateFile, env.tlsKeyFile],
  [env.tlsKeyFile, env.tlsCertificateFile],
  [env.etcdCertificateFile, env.etcdKeyFile],
  [env.etcdKeyFile, env.etcdCertificateFile],
  [env.agentCaFile, env.tlsCertificateFile],
  [env.oidcCaFile, env.oidcIssuerUrl],
] as const

function halves(environment: Environment): Problem[] {
  return needs.flatMap(([{ variable: there }, { variable: missing, type }]) => {
    if (environment[there] === undefined || environment[missing] !== undefined) return []
    return [
      {
        path: missing,
        received: 'nothing',
        expected: `a ${type}, because ${there} is set`,
        fix: `set both, or neither`,
        severity: 'error' as const,
      },
    ]
  })
}
