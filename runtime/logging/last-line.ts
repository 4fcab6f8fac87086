import { write } from 'node:fs'
import { type Fields, safeFields } from './safe-value.ts'

/** How long the line may take, in milliseconds. */
const limitMs = 100
/**
 * The limit is waited for in so many parts, one after the other. A process that got no CPU finds at most one of them over
 * when it goes on, and the line, which could not be written meanwhile either, has the others.
 */
const limitParts = 5

export interface LastLineOptions {
  /** In every line of the log. */
  readonly always: Fields
  readonly event: string
  readonly fields?: Fields
  /** @default standard output, as the log */
  readonly fileDescriptor?: number
}

/**
 * Writes a line like those of the log with the level `error`, from any thread, also while the one that has the log
 * hangs. Calls `done` once: when the line is written, cannot be, or was not in time. A reader that hangs makes every
 * write to a full pipe hang, so what must happen after the line does not wait for it, and no thread of ours writes it.
 */
export function writeLastLine({ always, event, fields, fileDescriptor = 1 }: LastLineOptions, done: () => void): void {
  const time = new Date().toISOString()
  const line = { level: 'error', time, ...safeFields(always), ...safeFields({ event, ...fields }) }
  let isDone = false
  const finish = (): void => {
    if (isDone) return
    isDone = true
    clearTimeout(limit)
    done()
  }
  let limit: NodeJS.Timeout | undefined
  const wait = (parts: number): void => {
    if (parts === 0) return finish()
    limit = setTimeout(() => wait(parts - 1), limitMs / limitParts)
  }
  wait(limitParts)
  // Nobody is left to be told that it failed.
  write(fileDescriptor, `${JSON.stringify(line)}\n`, finish)
}
