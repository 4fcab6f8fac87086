import type { Check } from '@regent/runtime/health/check.ts'

/** What the checks look at. */
export interface Observed {
  readonly store: { readonly answers: boolean; readonly explanation: string }
  /** Whether agents can register here. */
  readonly hub: { readonly isReady: boolean }
  /** Whether the process was told to stop. */
  readonly stopping: boolean
}

/**
 * Whether only a restart can help. etcd or an API server that is away is no reason. A stalled event loop needs no
 * check: it cannot answer, and the probe runs into its timeout.
 */
export function livenessChecks(): readonly Check[] {
  return [{ name: 'event-loop', ok: true, explanation: 'it answers' }]
}

/** Whether this pod can serve: nothing is acknowledged that is not stored, so only with etcd. */
export function readinessChecks({ store, hub, stopping }: Observed): readonly Check[] {
  return [
    { name: 'etcd', ok: store.answers, explanation: store.explanation },
    {
      name: 'agents',
      ok: hub.isReady,
      explanation: hub.isReady
        ? 'agents can register here'
        : stopping
          ? 'agents were asked to connect to another pod'
          : 'this pod has no lease of etcd, with which it would enter its agents',
    },
    {
      name: 'staying',
      ok: !stopping,
      explanation: stopping ? 'this process was told to stop' : 'nobody told this process to stop',
    },
  ]
}
