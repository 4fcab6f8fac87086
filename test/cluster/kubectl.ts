import { connection } from './api-request.ts'
import { run, type Finished } from './command-line.ts'
import { cluster } from './state.ts'

export interface KubectlOptions {
  /** Given as standard input; objects are written as JSON, which kubectl reads like YAML. */
  readonly input?: string | object
  /** A bearer token instead of the administrator's certificate. */
  readonly token?: string
  /** @default 60 */
  readonly seconds?: number
}

/** Runs kubectl as the administrator, or as the owner of a token. Does not throw for an exit code. */
export async function kubectl(args: readonly string[], options: KubectlOptions = {}): Promise<Finished> {
  const { input, token, seconds } = options
  return run([cluster().kubectl, ...(await credentials(token)), ...args], {
    input: typeof input === 'object' ? asList(input) : (input ?? ''),
    seconds: seconds ?? 60,
    // Neither the person's own cluster nor their aliases and plugins.
    env: { ...process.env, KUBECONFIG: '/dev/null', KUBERC: 'off' },
  })
}

/** @throws with kubectl's standard error if its exit code is not 0 */
export async function mustKubectl(args: readonly string[], options: KubectlOptions = {}): Promise<string> {
  const { stdout, stderr, exitCode } = await kubectl(args, options)
  if (exitCode !== 0) throw new Error(`kubectl ${args.join(' ')}: ${stderr || stdout}`)
  return stdout
}

/** What `kubectl … -o json` prints. The caller names the fields that it relies on. */
export async function kubectlJson<T>(args: readonly string[], options: KubectlOptions = {}): Promise<T> {
  return JSON.parse(await mustKubectl([...args, '--output=json'], options)) as T
}

/** Applies objects with unknown fields refused. */
export function apply(objects: object | readonly object[], options: KubectlOptions = {}): Promise<string> {
  return mustKubectl(['apply', '--validate=strict', '--filename=-'], { ...options, input: objects })
}

function asList(input: object): string {
  return JSON.stringify(Array.isArray(input) ? { apiVersion: 'v1', kind: 'List', items: input as object[] } : input)
}

/**
 * A token goes with no kubeconfig at all: beside a client certificate it would be ignored, and the request would pass
 * as the administrator's.
 */
async function credentials(token: string | undefined): Promise<readonly string[]> {
  if (token === undefined) return [`--kubeconfig=${cluster().kubeconfig}`]
  const { server, authority } = await connection()
  const trust = authority === undefined ? [] : [`--certificate-authority=${authority.file}`]
  return [`--server=${server.origin}`, `--token=${token}`, ...trust]
}
