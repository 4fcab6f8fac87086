import { pino, type DestinationStream } from 'pino'
import { type Fields, safeFields } from './safe-value.ts'

/** Levels, from the least important. */
export type Level = 'debug' | 'info' | 'warn' | 'error'

/**
 * The log of the program: one JSON object per line.
 *
 * `event` is a stable name in kebab-case that alerts and searches may hold on to; what changes goes into the fields,
 * of which `message` is the sentence for people.
 */
export type Log = Readonly<Record<Level, (event: string, fields?: Fields) => void>>

export interface LogOptions {
  /** The least important level that is written. */
  readonly level: Level
  /** In every line: `pod`, for instance. */
  readonly always: Fields
  /** @default standard output, written at once: nothing is lost when the process ends */
  readonly destination?: DestinationStream
}

/** Opens the log. Every line has `level`, `time` (ISO 8601, milliseconds, UTC), what is in every line, and `event`. */
export function openLog({ level, always, destination }: LogOptions): Log {
  const lines = pino(
    {
      level,
      base: safeFields(always),
      // What `toISOString` writes needs no escaping, and a line is no place for a number of milliseconds.
      timestamp: () => `,"time":"${new Date().toISOString()}"`,
      formatters: { level: (label) => ({ level: label }) },
    },
    destination ?? pino.destination({ dest: 1, sync: true }),
  )
  const reserved = new Set(['level', 'time', 'event', ...Object.keys(always)])
  const write =
    (at: Level) =>
    (event: string, fields: Fields = {}): void => {
      if (lines.isLevelEnabled(at)) lines[at](safeFields({ event, ...withoutReserved(fields, reserved) }))
    }
  return { debug: write('debug'), info: write('info'), warn: write('warn'), error: write('error') }
}

/** A field named like one that every line has would be written a second time, and readers take the last. */
function withoutReserved(fields: Fields, reserved: ReadonlySet<string>): Fields {
  return Object.fromEntries(
    Object.entries(fields).map(([name, value]) => [reserved.has(name) ? `field-${name}` : name, value]),
  )
}
