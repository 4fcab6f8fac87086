import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from '@jest/globals'
import { type Line, type RecordedLog, recordedLog } from '@regent/runtime/test/support/recorded-log.ts'
import type { ControlPlaneAccess } from '../../src/control-link/access.ts'
import type { Action } from '../../src/control-link/action.ts'
import { ControlLink, type ControlLinkOptions } from '../../src/control-link/control-link.ts'
import { defaultTiming, type LinkTiming } from '../../src/control-link/timing.ts'
import { ScriptedElection, ScriptedLeadership } from '../support/scripted-election.ts'
import { ScriptedControlPlane } from './scripted-control-plane.ts'

/** The figures of the design, shortened so that a test need not wait. */
export const shortTiming: LinkTiming = {
  ...defaultTiming,
  connectMs: 5000,
  registerMs: 5000,
  firstRetryMs: 10,
  newLongestMs: 50,
  steadyLongestMs: 50,
  refusedMs: 100,
  hurryMs: 10,
  closeMs: 2000,
  lastConnectionMs: 200,
  probeMs: 50,
  probeTimeoutMs: 1000,
}

/** What was counted, as `what label …`. */
export class RecordedMetrics {
  readonly counted: string[] = []
  readonly phases: { readonly phase: string; readonly seconds: number }[] = []
  actions: readonly string[] = []
  observeLink(_link: unknown, actions: readonly string[]): void {
    this.actions = actions
  }
  countLinkAttempt(outcome: string): void {
    this.counted.push(`attempt ${outcome}`)
  }
  countFenced(by: string): void {
    this.counted.push(`fenced by ${by}`)
  }
  countCommand(action: string, outcome: string): void {
    this.counted.push(`${action} ${outcome}`)
  }
  observePhase(phase: string, seconds: number): void {
    this.phases.push({ phase, seconds })
  }
}

/** A link with everything around it, all of it under a test's control. */
export interface Linked {
  readonly plane: ScriptedControlPlane
  readonly link: ControlLink
  readonly election: ScriptedElection
  readonly metrics: RecordedMetrics
  readonly log: RecordedLog
  readonly tokenFile: string
  /** Begins to lead, and remembers it: at the end every leadership must have come to its end. */
  readonly lead: (leadership?: ScriptedLeadership) => { leadership: ScriptedLeadership; led: Promise<void> }
}

const closing: (() => unknown)[] = []

/** Ends everything that the tests of a file started. A control plane that was treated against the contract fails it. */
export async function endAll(): Promise<void> {
  for (const close of closing.splice(0).reverse()) await close()
}

export function atEnd(close: () => unknown): void {
  closing.push(close)
}

export interface LinkedOptions {
  readonly actions?: readonly Action[]
  readonly timing?: Partial<LinkTiming>
  readonly plane?: ScriptedControlPlane
  readonly access?: Partial<ControlPlaneAccess>
  readonly more?: Partial<ControlLinkOptions>
  /** Of this many violations the test knows. */
  readonly violations?: number
}

export async function linked(options: LinkedOptions = {}): Promise<Linked> {
  const plane = options.plane ?? (await ScriptedControlPlane.start())
  const folder = mkdtempSync(join(tmpdir(), 'regent-link-'))
  const tokenFile = join(folder, 'token')
  writeFileSync(tokenFile, 'token-1\n')
  const election = new ScriptedElection()
  const metrics = new RecordedMetrics()
  const log = recordedLog()
  const preparing = new AbortController()
  const link = new ControlLink({
    access: {
      url: plane.url,
      credential: { variable: 'CONTROL_PLANE_TOKEN_FILE', file: tokenFile },
      ...options.access,
    },
    registration: {
      agentId: 'local',
      region: 'here',
      capacity: { maxSessions: 10, cpu: '4', memory: '8Gi' },
      features: [],
    },
    actions: options.actions ?? [],
    metrics,
    log: log.log,
    timing: { ...shortTiming, ...options.timing },
    ...options.more,
  })
  link.observe(election)
  await link.prepare(preparing.signal)
  const reigns: { leadership: ScriptedLeadership; led: Promise<void> }[] = []
  atEnd(async () => {
    preparing.abort()
    for (const { leadership, led } of reigns) {
      leadership.end('lost')
      await led
    }
    election.become({ role: 'standby' })
    await plane.stop()
    rmSync(folder, { recursive: true, force: true })
    expect(plane.violations).toHaveLength(options.violations ?? 0)
  })
  const lead: Linked['lead'] = (leadership = new ScriptedLeadership()) => {
    const led = link.lead(leadership)
    // The election says so only after it has begun.
    election.become({ role: 'leading', epoch: leadership.epoch })
    const reign = { leadership, led }
    reigns.push(reign)
    return reign
  }
  return { plane, link, election, metrics, log, tokenFile, lead }
}

/** A file with this content, or the name of none. */
export function fileWith(content: string | undefined): string {
  const folder = mkdtempSync(join(tmpdir(), 'regent-file-'))
  atEnd(() => rmSync(folder, { recursive: true, force: true }))
  const file = join(folder, 'file')
  if (content !== undefined) writeFileSync(file, content)
  return file
}

/** Waits for the first line with this event. */
export async function waitForLine({ lines }: RecordedLog, event: string): Promise<Line> {
  const late = Date.now() + 10_000
  for (;;) {
    const found = lines().find((line) => line.event === event)
    if (found !== undefined) return found
    if (Date.now() > late) throw new Error(`no line '${event}' in ${JSON.stringify(lines())}`)
    await turn()
  }
}

/** Lets everything happen that waits to. */
export const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

/** Waits at most a turn where a test has no use for the time. */
export async function noWait(_ms: number, signal: AbortSignal): Promise<void> {
  await turn()
  signal.throwIfAborted()
}
