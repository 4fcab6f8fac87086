import { type Level, type Log, openLog } from '../../logging/log.ts'

/** A line as it was written, parsed. */
export type Line = Readonly<Record<string, unknown>> & { readonly level: string; readonly event: string }

/** A log that remembers its lines instead of writing them. */
export interface RecordedLog {
  readonly log: Log
  /** Exactly what would have been written. */
  readonly text: () => string
  readonly lines: () => readonly Line[]
  readonly events: () => readonly string[]
}

export function recordedLog(level: Level = 'debug', always: Readonly<Record<string, string>> = {}): RecordedLog {
  const written: string[] = []
  const log = openLog({ level, always, destination: { write: (line) => void written.push(line) } })
  const lines = (): readonly Line[] => written.map((line) => JSON.parse(line) as Line)
  return { log, text: () => written.join(''), lines, events: () => lines().map(({ event }) => event) }
}
