import { textAt, at } from '../json.ts'

/**
 * What standbys and leader say to each other: one JSON object per line, of at most 1 KiB. The standby begins with a
 * hello, the leader answers once; the standby says hello again when its readiness changes. Then the connection is
 * silent: what counts is when, and how, it ends.
 *
 * Unknown fields are ignored. A change that needs more than that is another version, which this one does not read.
 */

/** Longest line, in bytes. */
export const maxLineBytes = 1024
const protocolVersion = 1

/** One incarnation of an agent's process: a restarted container has another boot. */
export interface Incarnation {
  /** The agent id. */
  readonly agent: string
  readonly podUid: string
  /** Chosen by the process at its start. */
  readonly boot: string
}

/** How a standby presents itself. */
export interface Hello extends Incarnation {
  /** Name of its pod. */
  readonly pod: string
  /** Whether it would accept leadership now. */
  readonly ready: boolean
  /** Whether its own probe of the control plane succeeds. Absent in the hello of a version that has none. */
  readonly reaches?: boolean
}

/** The line of a hello. */
export function helloLine({ agent, pod, podUid, boot, ready, reaches }: Hello): string {
  return `${JSON.stringify({ v: protocolVersion, agent, pod, podUid, boot, ready, reaches })}\n`
}

/** The line of an answer. */
export function answerLine({ agent, podUid, boot }: Incarnation): string {
  return `${JSON.stringify({ v: protocolVersion, agent, podUid, boot })}\n`
}

/** The hello of a line; `undefined` when it is none. */
export function parseHello(line: string): Hello | undefined {
  const parsed = parse(line)
  const incarnation = incarnationOf(parsed)
  const pod = textAt(parsed, 'pod')
  const ready = at(parsed, 'ready')
  const reaches = at(parsed, 'reaches')
  if (incarnation === undefined || pod === undefined || pod === '' || pod.length > 253) return undefined
  if (typeof ready !== 'boolean') return undefined
  return { ...incarnation, pod, ready, ...(typeof reaches === 'boolean' && { reaches }) }
}

/** The answer of a line; `undefined` when it is none. */
export function parseAnswer(line: string): Incarnation | undefined {
  return incarnationOf(parse(line))
}

function incarnationOf(parsed: unknown): Incarnation | undefined {
  const agent = textAt(parsed, 'agent') ?? ''
  const podUid = textAt(parsed, 'podUid') ?? ''
  const boot = textAt(parsed, 'boot') ?? ''
  // An empty name would equal another empty name.
  if (at(parsed, 'v') !== protocolVersion || agent === '' || podUid === '' || boot === '') return undefined
  return { agent, podUid, boot }
}

function parse(line: string): unknown {
  try {
    return JSON.parse(line)
  } catch {
    return undefined
  }
}
