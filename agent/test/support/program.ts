import { type ChildProcessByStdio, spawn } from 'node:child_process'
import { randomInt, randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { Readable } from 'node:stream'
import { text } from 'node:stream/consumers'
import type { PodEnvironment } from './pod-environment.ts'
import type { Line } from '@regent/runtime/test/support/recorded-log.ts'

const main = join(import.meta.dirname, '../../src/main.ts')

/** The agent as a process of its own, as the kubelet starts it. */
export interface Program {
  readonly child: ChildProcessByStdio<null, Readable, Readable>
  readonly lines: readonly Line[]
  /** Resolves when a line with this event was written. @throws when the process ends before */
  readonly said: (event: string) => Promise<Line>
  /** Resolves with the code and with what was written to standard error. */
  readonly ended: Promise<{ code: number | null; complaints: string }>
  readonly get: (path: string) => Promise<Response>
}

/** Starts the agent. Without changes it runs without election: nothing beside it is needed. */
export function startProgram(pod: PodEnvironment, changes: Readonly<Record<string, string | undefined>>): Program {
  // Every start has a loopback address of its own, because the contract gives the port.
  const address = `127.${randomInt(1, 255)}.${randomInt(1, 255)}.${randomInt(1, 255)}`
  const environment = pod.with({
    ENABLE_HA: 'false',
    REPLICAS: '1',
    POD_UID: randomUUID(),
    LISTEN_ADDRESS: address,
    TMPDIR: pod.folder,
    ...changes,
  })
  const child = spawn(process.execPath, [main], { env: environment, stdio: ['ignore', 'pipe', 'pipe'] })
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
  const said = (event: string): Promise<Line> =>
    new Promise((resolve, reject) => {
      const look = (): void => {
        const line = lines.find((candidate) => candidate.event === event)
        if (line !== undefined) resolve(line)
      }
      waiting.add(look)
      look()
      void ended.then(({ code, complaints: said }) =>
        reject(new Error(`ended with ${String(code)} without '${event}': ${JSON.stringify(lines)} ${said}`)),
      )
    })
  return {
    child,
    lines,
    said,
    ended,
    get: (path) => fetch(`http://${address}:8080${path}`, { headers: { connection: 'close' } }),
  }
}
