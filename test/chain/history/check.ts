import { type CommandTrace, CommandTraces } from './commands.ts'
import { Fences } from './fences.ts'
import type { ClientEvent, Effect, History, Violation } from './history.ts'

/** What a history holds, for whoever wants to know that something was checked at all. */
export interface Verdict {
  readonly violations: readonly Violation[]
  readonly counted: {
    readonly promised: number
    readonly refused: number
    readonly done: number
    readonly poisoned: number
    readonly failed: number
    readonly effects: number
    /** Leaderships that were admitted. */
    readonly leaderships: number
    /** Commands that were delivered more than once. */
    readonly redelivered: number
  }
}

/**
 * Judges a history that has come to rest: whoever could end a command had the time to.
 *
 * - I2: no write in the name of a leadership that another had replaced, and no effect of an epoch below one seen.
 * - I3: epochs only grow.
 * - I6: no command that was promised is lost, none that was refused is stored, none takes effect twice or ends twice,
 *   and those of one target take effect in the order in which they were stored; but what one that was cancelled while it
 *   ran had on its way may arrive after the next one.
 * - I7: nothing is left open at the end.
 */
export function check({ client, store, effects }: History): Verdict {
  const violations: Violation[] = []
  const fences = new Fences()
  const commands = new CommandTraces(fences)
  const leaderships = new Set<string>()
  // Within a revision a registration counts first: what the same transaction writes is written in its name.
  for (const change of inOrder(store)) {
    violations.push(...fences.apply(change), ...commands.apply(change))
    if (!change.key.startsWith('fences/') || change.value === undefined) continue
    const agentId = change.key.slice('fences/'.length)
    leaderships.add(`${agentId} ${fences.of(agentId)?.epoch ?? ''}`)
  }
  const { traces, storedFor } = commands
  violations.push(...promises(client, traces), ...refusals(client, storedFor))
  violations.push(...ended(traces), ...effectsOf(effects, traces))
  const states = [...traces.values()].map(({ ended: end }) => end?.state)
  const count = (state: string): number => states.filter((each) => each === state).length
  return {
    violations,
    counted: {
      promised: keysOf(client, 'promised').length,
      refused: keysOf(client, 'refused').length,
      done: count('done'),
      poisoned: count('poisoned'),
      failed: count('failed'),
      effects: effects.length,
      leaderships: leaderships.size,
      redelivered: [...traces.values()].filter(({ deliveries }) => deliveries > 1).length,
    },
  }
}

function inOrder(store: History['store']): History['store'] {
  const isFence = (key: string): number => (key.startsWith('fences/') ? 0 : 1)
  return [...store].sort((one, other) => one.revision - other.revision || isFence(one.key) - isFence(other.key))
}

function keysOf(client: History['client'], kind: ClientEvent['kind']): readonly string[] {
  return client.flatMap((event) => (event.kind === kind ? [event.key] : []))
}

/** What was promised is there, under one id, and nothing is that was not asked for. */
function promises(client: History['client'], traces: ReadonlyMap<string, CommandTrace>): readonly Violation[] {
  const violations: Violation[] = []
  const idOf = new Map<string, string>()
  for (const event of client) {
    if (event.kind !== 'promised') continue
    const { key, commandId } = event
    const before = idOf.get(key)
    if (before !== undefined && before !== commandId) {
      violations.push({ invariant: 'twice', what: `asked for once as ${key}, made as ${before} and ${commandId}` })
    }
    idOf.set(key, commandId)
    if (!traces.has(commandId))
      violations.push({ invariant: 'lost', what: `${commandId} was promised and never stored` })
  }
  const asked = new Set(keysOf(client, 'asked'))
  if (traces.size > asked.size) {
    violations.push({ invariant: 'twice', what: `${asked.size} were asked for, and ${traces.size} stored` })
  }
  return violations
}

/** What was refused is not there: whoever asked has no reason to look for it. */
function refusals(client: History['client'], storedFor: ReadonlyMap<string, string>): readonly Violation[] {
  const refused = new Set(keysOf(client, 'refused'))
  return [...storedFor].flatMap(([commandId, key]) =>
    refused.has(key) ? [{ invariant: 'refused', what: `${commandId} was stored, although ${key} was refused` }] : [],
  )
}

function ended(traces: ReadonlyMap<string, CommandTrace>): readonly Violation[] {
  return [...traces.values()].flatMap(({ commandId, ended: end, state }) =>
    end === undefined ? [{ invariant: 'lost', what: `${commandId} is still ${state} at the end` }] : [],
  )
}

function effectsOf(effects: readonly Effect[], traces: ReadonlyMap<string, CommandTrace>): readonly Violation[] {
  const violations: Violation[] = []
  const seen = new Map<string, Effect>()
  const lastOf = new Map<string, CommandTrace>()
  let highest = 0n
  for (const effect of [...effects].sort((one, other) => Number(one.version - other.version))) {
    const { commandId, target, epoch, version } = effect
    const at = `version ${version}, command ${commandId}`
    const trace = traces.get(commandId)
    if (seen.has(commandId)) violations.push({ invariant: 'twice', what: `it took effect twice: ${at}` })
    if (epoch < highest) {
      violations.push({ invariant: 'stale', what: `an effect of epoch ${epoch} after one of ${highest}: ${at}` })
    }
    if (trace === undefined) violations.push({ invariant: 'unknown', what: `nobody asked for it: ${at}` })
    else if (trace.ended?.code !== 'cancelled') {
      const before = lastOf.get(target)
      if (before !== undefined && before.createdAt > trace.createdAt) {
        violations.push({ invariant: 'order', what: `after ${before.commandId}, which was stored later: ${at}` })
      }
      lastOf.set(target, trace)
    }
    seen.set(commandId, effect)
    if (epoch > highest) highest = epoch
  }
  for (const { commandId, ended: end } of traces.values()) {
    if (end?.state === 'done' && !seen.has(commandId)) {
      violations.push({ invariant: 'lost', what: `${commandId} is done without effect` })
    }
  }
  return violations
}
