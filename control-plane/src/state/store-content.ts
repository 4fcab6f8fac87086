import { itemsOf } from '../commands/fenced-commands.ts'
import type { Compare, KeyValue, Operation, OperationResult } from '../store/key-value.ts'
import { idOf, keys, prefixes } from '../store/keys.ts'

/** Where a state is. */
const places = [prefixes.agents, prefixes.fences, prefixes.allAgentKeys, prefixes.allCommands, prefixes.tokens]

/** What makes a store one that holds a state, with the words for one and for several. */
const contents = [
  [prefixes.agents, 'agent', 'agents'],
  [prefixes.fences, 'fence', 'fences'],
  [prefixes.allAgentKeys, 'key of agents', 'keys of agents'],
  [prefixes.allOpenCommands, 'open command', 'open commands'],
  [prefixes.allDoneCommands, 'ended command', 'ended commands'],
  [prefixes.tokens, 'token', 'tokens'],
] as const

/** Agents that are named where the store holds some. */
const mostNamed = 3

/** Holds where there is nothing of a state. */
export const emptyStore: readonly Compare[] = places.map((empty) => ({ empty }))

/** Removes what agents and commands that are gone may have left behind, which nobody could remove otherwise. */
export const leftovers: readonly Operation[] = [prefixes.statuses, prefixes.idempotency].map((prefix) => ({
  delete: prefix,
  prefix: true,
}))

/** Removes everything of a state, and the import that brought it. */
export const removal: readonly Operation[] = [
  ...places.map((prefix) => ({ delete: prefix, prefix: true })),
  ...leftovers,
  { delete: keys.importLock },
  { delete: keys.importAlive },
]

/** Reads what {@link contentIn} tells. */
export const readContent: readonly Operation[] = [
  { get: keys.importLock },
  { get: keys.importAlive },
  { get: prefixes.agents, prefix: true, limit: mostNamed },
  ...contents.map(([prefix]) => ({ count: prefix })),
]

export interface StoreContent {
  /** The import that is under way. */
  readonly lock: KeyValue | undefined
  /** Whether something was heard of it. */
  readonly isAlive: boolean
  /** What the store holds, in words; `undefined` where it holds nothing of a state. */
  readonly holds: string | undefined
}

export function contentIn([lock, alive, named, ...counts]: readonly OperationResult[]): StoreContent {
  const ids = itemsOf(named).map(({ key }) => `'${idOf(key)}'`)
  const parts = contents.flatMap(([prefix, one, several], index) => {
    const result = counts[index]
    const count = result?.kind === 'get' ? result.count : 0
    if (count === 0) return []
    const which = prefix === prefixes.agents ? ` (${ids.join(', ')}${count > ids.length ? ', …' : ''})` : ''
    return [`${count} ${count === 1 ? one : several}${which}`]
  })
  return {
    lock: itemsOf(lock)[0],
    isAlive: itemsOf(alive).length > 0,
    holds: parts.length === 0 ? undefined : parts.join(', '),
  }
}
