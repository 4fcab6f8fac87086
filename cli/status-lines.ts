import { type AgentLeadership, inWords, podOf, reasonInWords } from './agent-leadership.ts'
import { tableLines, visible } from './print.ts'

/** Who leads an agent, and in which zone. */
export interface Status extends AgentLeadership {
  readonly zone: string | null
}

/** A table for several agents, and everything that is known of a single one. */
export function statusLines(statuses: readonly Status[]): readonly string[] {
  const [only, ...others] = statuses
  return only !== undefined && others.length === 0 ? details(only) : overview(statuses)
}

function overview(statuses: readonly Status[]): readonly string[] {
  return tableLines(
    ['AGENT', 'LEADER', 'NODE', 'ZONE', 'EPOCH', 'SINCE', 'RENEWED', 'LINK', 'STANDBYS', 'WHY'],
    statuses.map((one) => [
      one.agent,
      one.leader ?? 'nobody',
      one.node ?? '-',
      one.zone ?? '-',
      one.epoch ?? 'unknown',
      one.since ?? 'unknown',
      renewed(one),
      one.link ?? '-',
      one.standbys === null
        ? 'unknown'
        : `${one.standbys.filter(({ ready }) => ready).length} of ${one.standbys.length} ready`,
      one.obstacle ?? one.reason ?? 'unknown',
    ]),
  )
}

function details(one: Status): readonly string[] {
  const { cordoned, takeovers } = one
  const facts = [
    ['agent', one.agent],
    ['leader', one.leader ?? `nobody: ${one.obstacle ?? 'unknown'}`],
    [one.leader === null ? 'last node' : 'node', one.node ?? '-'],
    ['zone', one.zone ?? '-'],
    [one.leader === null ? 'last epoch' : 'epoch', one.epoch ?? 'unknown'],
    ['since', one.since ?? 'unknown'],
    ['why', reasonInWords(one.reason)],
    ['renewed', renewed(one)],
    ['link', linkOf(one)],
    ['standbys', standbysOf(one)],
    ...(cordoned.length > 0 ? [['cordoned', cordoned.join(', ')]] : []),
  ]
  const width = Math.max(...facts.map(([name = '']) => name.length))
  const lines = facts.map(([name = '', value = '']) => `${name.padEnd(width)}  ${visible(value)}`)
  if (takeovers === null) return [...lines, '', 'takeovers: unknown']
  if (takeovers.length === 0) return [...lines, '', 'no takeover yet']
  const rows = takeovers.map(({ at, epoch, from, holder, reason, phases }) => [
    at,
    epoch,
    from === undefined ? '-' : podOf(from),
    podOf(holder),
    `${phases.detected} ms`,
    `${phases.acquired} ms`,
    phases.registered === undefined ? '-' : `${phases.registered} ms`,
    reason,
  ])
  return [
    ...lines,
    '',
    ...tableLines(['TAKEOVER', 'EPOCH', 'FROM', 'TO', 'DETECTED', 'ACQUIRED', 'REGISTERED', 'WHY'], rows),
  ]
}

function renewed({ ageSeconds, durationSeconds, leader }: Status): string {
  if (ageSeconds === null) return 'unknown'
  const isOver = leader === null && durationSeconds !== null && ageSeconds > durationSeconds
  return `${inWords(ageSeconds)} ago${isOver ? ', expired' : ''}`
}

function linkOf({ link }: Status): string {
  if (link === null) return '-'
  return link === 'registered' ? 'registered at the control plane' : 'not registered at the control plane'
}

function standbysOf({ standbys }: Status): string {
  if (standbys === null) return 'unknown'
  if (standbys.length === 0) return 'none'
  return standbys.map(({ pod, ready }) => `${pod} (${ready ? 'ready' : 'not ready'})`).join(', ')
}
