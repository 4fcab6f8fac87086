import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { controlPlane } from '@regent/contract/control-plane.ts'

export interface AgentsProcessOptions {
  /** Address of a pod of the control plane. */
  readonly address: string
  readonly agentIds: readonly string[]
  /** Where each has its key, in a file that has its id. */
  readonly folder: string
}

/** A process with many agents, see `light-agents.ts`. */
export interface AgentsProcess {
  readonly pid: number
  /** Kills it, and waits for its end. */
  readonly kill: () => Promise<void>
}

/** Starts a process with many agents, and waits until all of them are registered. */
export async function startAgents({ address, agentIds, folder }: AgentsProcessOptions): Promise<AgentsProcess> {
  const url = `http://${address}:${controlPlane.ports.agents.number}`
  const named = agentIds.flatMap((agentId) => [agentId, join(folder, agentId)])
  const child = spawn(process.execPath, [join(import.meta.dirname, 'light-agents.ts'), url, ...named], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  process.once('exit', () => child.kill('SIGKILL'))
  const kill = async (): Promise<void> => {
    if (child.exitCode !== null || child.signalCode !== null) return
    const ended = once(child, 'exit')
    child.kill('SIGKILL')
    await ended
  }
  for await (const line of createInterface(child.stdout))
    if (line === 'registered') return { pid: child.pid ?? 0, kill }
  throw new Error('the agents ended before they were registered')
}
