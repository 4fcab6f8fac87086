import { randomInt, randomUUID } from 'node:crypto'
import { join } from 'node:path'
import { type StartedProcess, startProcess } from '@regent/runtime/test/support/started-process.ts'
import type { PodEnvironment } from './pod-environment.ts'

const main = join(import.meta.dirname, '../../src/main.ts')

/** The agent as a process of its own, as the kubelet starts it. */
export interface Program extends StartedProcess {
  readonly get: (path: string) => Promise<Response>
}

/** Starts the agent. Without changes it runs without election: nothing beside it is needed. */
export function startProgram(pod: PodEnvironment, changes: Readonly<Record<string, string | undefined>>): Program {
  // Every start has a loopback address of its own, because the contract gives the port.
  const address = `127.${randomInt(1, 255)}.${randomInt(1, 255)}.${randomInt(1, 255)}`
  const started = startProcess(
    main,
    pod.with({
      ENABLE_HA: 'false',
      REPLICAS: '1',
      POD_UID: randomUUID(),
      LISTEN_ADDRESS: address,
      TMPDIR: pod.folder,
      ...changes,
    }),
  )
  return { ...started, get: (path) => fetch(`http://${address}:8080${path}`, { headers: { connection: 'close' } }) }
}
