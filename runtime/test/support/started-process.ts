import { type ChildProcessByStdio, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import type { Readable } from 'node:stream'
import { text } from 'node:stream/consumers'
import { endWithUs } from './end-with-us.ts'
import type { Line } from './recorded-log.ts'

/** A program of ours as a process of its own, as the kubelet starts it. */
export interface StartedProcess {
  readonly child: ChildProcessByStdio<null, Readable, Readable>
  readonly lines: readonly Line[]
  /** Resolves with the first line that has this event, and fits. @throws when the process ends before */
  readonly said: (event: string, fits?: (line: Line) => boolean) => Promise<Line>
  /** Resolves with the code and with what was written to standard error. */
  readonly ended: Promise<{ code: number | null; complaints: string }>
}

/** Starts a program by the path of its module, with just these variables. */
export function startProcess(main: string, environment: Readonly<Record<string, string>>): StartedProcess {
  const child = spawn(process.execPath, [main], { env: environment, stdio: ['ignore', 'pipe', 'pipe'] })
  endWithUs(child)
  const lines: Line[] = []
  const waiting = new Set<() => void>()
  createInterface(child.stdout).on('line', (line) => {
    lines.push(JSON.parse(line) as Line)
    for (const look of waiting) look()
  })
  const complaints = text(child.stderr)
  const ended = once(child, 'close').then(async ([code]) => ({
    code: code as number | null,
    complaints: await complaints,
  }))
  const said: StartedProcess['said'] = (event, fits = () => true) =>
    new Promise((resolve, reject) => {
      const look = (): void => {
        const line = lines.find((candidate) => candidate.event === event && fits(candidate))
        if (line === undefined) return
        waiting.delete(look)
        resolve(line)
      }
      waiting.add(look)
      look()
      void ended.then(({ code, complaints: said }) =>
        reject(new Error(`ended with ${String(code)} without '${event}': ${JSON.stringify(lines)} ${said}`)),
      )
    })
  return { child, lines, said, ended }
}
