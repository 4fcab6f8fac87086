import type { controlPlane } from '@regent/contract/control-plane.ts'
import type { Instruments } from '@regent/runtime/metrics/declared-metrics.ts'

/** The metrics of the contract that the HTTP API fills. */
export type HttpMetrics = Pick<
  Instruments<typeof controlPlane.metrics>,
  'httpRequests' | 'httpRequestDuration' | 'activeConnections'
>

/** Methods that labels name; clients choose any others, and labels must stay few. */
const methods = new Set(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'])

/** Counts an answer. The route is the pattern of the path, so that ids become no labels. */
export function countAnswer(
  { httpRequests, httpRequestDuration }: Pick<HttpMetrics, 'httpRequests' | 'httpRequestDuration'>,
  answer: {
    readonly method: string
    readonly route: string | undefined
    readonly status: number
    readonly seconds?: number
  },
): void {
  const method = methods.has(answer.method) ? answer.method : 'other'
  const route = answer.route ?? 'none'
  httpRequests.inc({ method, route, status: String(answer.status) })
  if (answer.seconds !== undefined) httpRequestDuration.observe({ method, route }, answer.seconds)
}
