import type { Json } from '../action.ts'

/** Most names of one kind that are told; how many there are is told in any case. */
export const mostNames = 100

/** Objects of one kind. */
export interface Objects {
  readonly count: number
  /** In the order of the API server, at most {@link mostNames}. */
  readonly names: readonly string[]
}

/** One quota of the namespace: limits and what is used of them, by resource. */
export interface Quota {
  readonly name: string
  readonly hard: Readonly<Record<string, string>>
  readonly used: Readonly<Record<string, string>>
}

/** What an agent may not see, and why: the words of the API server. */
export interface Unreadable {
  readonly unreadable: string
}

/** What the agent sees of its cluster. Every part is read on its own: what may not be read says so in its place. */
export interface View {
  /** `gitVersion` of the API server. */
  version(signal: AbortSignal): Promise<string | Unreadable>
  quotas(signal: AbortSignal): Promise<readonly Quota[] | Unreadable>
  objects(
    kind: 'deployments' | 'services' | 'persistentVolumeClaims',
    signal: AbortSignal,
  ): Promise<Objects | Unreadable>
}

/** A part of the view as JSON. */
export function asJson(part: string | Objects | Unreadable | readonly Quota[]): Json {
  return JSON.parse(JSON.stringify(part)) as Json
}
