/** A leadership as an agent presents it when it registers, and as the fence remembers it. */
export interface Leadership {
  /** UID of the agent's `kube-system` namespace: epochs compare only within one lineage. */
  readonly lineage: string
  /** Grows with every leadership. */
  readonly epoch: bigint
  /** `podName_podUID_bootUUID` of the process that leads. */
  readonly holder: string
}

/** Whether a leadership may speak for its agent, and why. */
export type Admission =
  | { readonly admitted: true; readonly as: 'first' | 'newer' | 'again' }
  | { readonly admitted: false; readonly because: 'older' | 'other-holder' | 'other-lineage' }

/**
 * Judges a registration by the highest leadership that was ever admitted. The same leadership may come again: its
 * connection broke, or moves to another pod. Everything else that is not newer is the past, and stays refused for ever,
 * also when it came first in time.
 */
export function admit(fence: Leadership | undefined, presented: Leadership): Admission {
  if (fence === undefined) return { admitted: true, as: 'first' }
  if (presented.lineage !== fence.lineage) return { admitted: false, because: 'other-lineage' }
  if (presented.epoch > fence.epoch) return { admitted: true, as: 'newer' }
  if (presented.epoch < fence.epoch) return { admitted: false, because: 'older' }
  return presented.holder === fence.holder
    ? { admitted: true, as: 'again' }
    : { admitted: false, because: 'other-holder' }
}
