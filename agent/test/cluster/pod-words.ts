import { mustKubectl } from '../../../test/cluster/kubectl.ts'
import { namespace } from './local-agents.ts'

/** A line of a pod's log. All nodes of the tests share one clock. */
export interface PodLine {
  /** Milliseconds since 1970. */
  readonly atMs: number
  readonly event: string
  readonly epoch: string | undefined
  readonly reason: string | undefined
  /** Of a claim of death that was judged. */
  readonly confirmed: boolean | undefined
}

/** What the agent of a pod has logged since its container started. */
export async function linesOf(pod: string): Promise<readonly PodLine[]> {
  const text = await mustKubectl(['logs', pod, '-n', namespace])
  return text.split('\n').flatMap((line) => {
    const { time, event, epoch, reason, confirmed } = parsed(line)
    if (typeof time !== 'string' || typeof event !== 'string') return []
    const word = (value: unknown): string | undefined => (typeof value === 'string' ? value : undefined)
    const isConfirmed = typeof confirmed === 'boolean' ? confirmed : undefined
    return [{ atMs: Date.parse(time), event, epoch: word(epoch), reason: word(reason), confirmed: isConfirmed }]
  })
}

/** Whether the agent of a pod says that it leads, by the metric that alerts look at. */
export async function saysToLead(pod: string): Promise<boolean> {
  const metrics = await mustKubectl(['get', '--raw', `/api/v1/namespaces/${namespace}/pods/${pod}:8080/proxy/metrics`])
  const [, value] = /^regent_agent_is_leader\{agent="local"\} ([01])$/m.exec(metrics) ?? []
  if (value === undefined) throw new Error(`${pod} does not export regent_agent_is_leader`)
  return value === '1'
}

function parsed(line: string): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(line)
    return typeof value === 'object' && value !== null ? { ...value } : {}
  } catch {
    // What Node itself prints when it crashes is no line of the log.
    return {}
  }
}
