import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { AgentRegistry } from '../../../control-plane/src/agents/agent-registry.ts'
import { AgentKeys } from '../../../control-plane/src/identity/agent-keys.ts'
import type { Store } from '../../../control-plane/src/store/store.ts'

/** So many are entered at once. */
const atOnce = 64

/** Enters so many agents as approved, and writes a key of each to a file that has its id. @returns the ids */
export async function approveAgents(store: Store, folder: string, count: number): Promise<readonly string[]> {
  const [registry, keys] = [new AgentRegistry(store), new AgentKeys(store)]
  const by = 'the benchmark'
  const ids = Array.from({ length: count }, (_, index) => `agent-${index}`)
  const left = ids.values()
  await Promise.all(
    Array.from({ length: atOnce }, async () => {
      for (const agentId of left) {
        await registry.create(agentId, { approved: true, by })
        await writeFile(join(folder, agentId), (await keys.create(agentId, { by })).key)
      }
    }),
  )
  return ids
}
