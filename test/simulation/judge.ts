import { check, type Verdict } from '../chain/history/check.ts'
import { fieldOf, type History, textOf, type Violation } from '../chain/history/history.ts'

/** A command that an agent began to run. */
export interface Begun {
  readonly commandId: string
  readonly epoch: bigint
  /** etcd's revision at that moment. */
  readonly revision: number
}

/** A write that made somebody the holder of the Lease. */
export interface Acquisition {
  /** `podName_podUID_bootUUID` */
  readonly holder: string
  /** Of the API server: the epoch of who acquired it. */
  readonly version: number
}

/** What only a simulation sees. */
export interface Seen {
  readonly begun: readonly Begun[]
  readonly acquisitions: readonly Acquisition[]
}

/**
 * Judges a run by what the checker of the real chain judges it by, and by what only a simulation sees: no agent runs
 * a command of which etcd did not know, before it was sent, that this leadership is given it, and nobody registers or
 * runs a command in an epoch that is not that of an acquisition of the Lease, its own where it says who it is (I3).
 *
 * Not judged: that active intervals do not overlap (I1), how long a takeover takes (I4) and how many there are for a
 * fault (I5). A run does not record when work ended, nor which fault caused what.
 */
export function judge(history: History, { begun, acquisitions }: Seen): Verdict {
  const verdict = check(history)
  const given = new Map<string, number>()
  for (const { key, revision, value } of history.store) {
    const [, part, , commandId = ''] = key.split('/')
    const epoch = fieldOf(value, 'lastDelivery', 'epoch')
    const name = `${commandId} ${String(epoch)}`
    if (part === 'open' && typeof epoch === 'string' && !given.has(name)) given.set(name, revision)
  }
  const unstored = begun.flatMap(({ commandId, epoch, revision }): readonly Violation[] => {
    const at = given.get(`${commandId} ${epoch}`)
    if (at !== undefined && at <= revision) return []
    const stored = at === undefined ? 'never' : `only at revision ${at}`
    const what = `${commandId} ran in epoch ${epoch} at revision ${revision}; that it was given there was stored ${stored}`
    return [{ invariant: 'unstored', what }]
  })
  return { ...verdict, violations: [...verdict.violations, ...unstored, ...untrueEpochs(history, begun, acquisitions)] }
}

/** Epochs that nobody acquired, or another one than who registered with it. */
function untrueEpochs(
  history: History,
  begun: readonly Begun[],
  acquisitions: readonly Acquisition[],
): readonly Violation[] {
  const holders = new Map(acquisitions.map(({ holder, version }) => [String(version), holder]))
  const registered = history.store.flatMap(({ key, value }): readonly Violation[] => {
    if (!key.startsWith('fences/') || value === undefined) return []
    const [epoch, holder] = [textOf(value, 'epoch'), textOf(value, 'holder')]
    const by = holders.get(epoch)
    if (by === holder) return []
    return [{ invariant: 'epoch', what: `${holder} registered in epoch ${epoch}, acquired by ${by ?? 'nobody'}` }]
  })
  const ran = begun.flatMap(({ commandId, epoch }): readonly Violation[] =>
    holders.has(String(epoch))
      ? []
      : [{ invariant: 'epoch', what: `${commandId} ran in epoch ${epoch}, acquired by nobody` }],
  )
  return [...registered, ...ran]
}
