import { randomInt, randomUUID } from 'node:crypto'
import { join } from 'node:path'
import { controlPlane } from '@regent/contract/control-plane.ts'
import { type StartedProcess, startProcess } from '@regent/runtime/test/support/started-process.ts'
import type { Environment } from '@regent/runtime/configuration/environment.ts'
import type { PodEnvironment } from './pod-environment.ts'

const main = join(import.meta.dirname, '../../src/main.ts')

/** A pod of the control plane as a process of its own, as the kubelet starts it. */
export interface Program extends StartedProcess {
  /** The address that its ports are opened on. */
  readonly address: string
  /** Asks a page of the health port. */
  readonly health: (path: string) => Promise<Response>
  /** Asks the API. */
  readonly api: (path: string, request?: RequestInit) => Promise<Response>
}

/** Starts a pod of the control plane. */
export function startProgram(
  { environment }: PodEnvironment,
  changes: Readonly<Record<string, string | undefined>> = {},
): Program {
  // Every start has a loopback address of its own, because the contract gives the ports.
  const address = `127.${randomInt(1, 255)}.${randomInt(1, 255)}.${randomInt(1, 255)}`
  const variables: Environment = { ...environment, POD_UID: randomUUID(), LISTEN_ADDRESS: address, ...changes }
  const defined = Object.entries(variables).filter((entry): entry is [string, string] => entry[1] !== undefined)
  const started = startProcess(main, Object.fromEntries(defined))
  const ask = (port: number, path: string, request: RequestInit = {}): Promise<Response> =>
    fetch(`http://${address}:${port}${path}`, {
      ...request,
      headers: { connection: 'close', ...(request.headers as Record<string, string>) },
    })
  return {
    ...started,
    address,
    health: (path) => ask(controlPlane.ports.health.number, path),
    api: (path, request) => ask(controlPlane.ports.api.number, path, request),
  }
}
