import { check, type Verdict } from '../chain/history/check.ts'
import { fieldOf, type History, type Violation } from '../chain/history/history.ts'

/** A command that an agent began to run. */
export interface Begun {
  readonly commandId: string
  readonly epoch: bigint
  /** etcd's revision at that moment. */
  readonly revision: number
}

/**
 * Judges a run by what the checker of the real chain judges it by, and by what only a simulation sees: no agent runs
 * a command of which etcd did not know, before it was sent, that this leadership is given it.
 */
export function judge(history: History, begun: readonly Begun[]): Verdict {
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
  return { ...verdict, violations: [...verdict.violations, ...unstored] }
}
