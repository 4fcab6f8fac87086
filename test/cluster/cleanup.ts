import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { rm, rmdir } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { identityOf, isRunning, signalProcess, type Identity } from './identity.ts'
import { abandonedFolders, Journal, MEMBER_VARIABLE } from './journal.ts'
import { waitFor } from './wait-for.ts'

/**
 * Removes a cluster: whatever the journal names, and whatever carries its mark. Nothing is asked to end in good order,
 * because nothing of it is kept. Safe to repeat, and to run for a cluster that only half started.
 */
export async function removeCluster(folder: string): Promise<void> {
  const journal = new Journal(folder)
  const entries = journal.entries()
  const processes = entries.flatMap((entry) => (entry.kind === 'process' ? [entry.process] : []))
  await end([...processes, ...marked(basename(folder))])
  for (const entry of entries) if (entry.kind === 'cgroup') await removeControlGroup(entry.path)
  // Mounts of a node end with its namespace a moment after its last process.
  await rm(folder, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 })
}

/** Removes the clusters whose starter was killed. Returns how many there were. */
export async function removeAbandoned(): Promise<number> {
  const abandoned = abandonedFolders()
  for (const folder of abandoned) await removeCluster(folder)
  return abandoned.length
}

async function end(processes: readonly Identity[]): Promise<void> {
  for (const identity of processes) signalProcess(identity, 'SIGKILL')
  await waitFor('end of the processes', () => !processes.some(isRunning), { seconds: 20, everyMilliseconds: 20 })
}

/** The processes that carry the cluster's mark in their environment: proof enough that they are ours. */
function marked(id: string): readonly Identity[] {
  if (!existsSync('/proc/self/environ')) return []
  const mark = `${MEMBER_VARIABLE}=${id}`
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)
    .flatMap((name) => {
      try {
        const environment = readFileSync(`/proc/${name}/environ`, 'utf8').split('\0')
        return environment.includes(mark) ? [identityOf(Number(name))] : []
      } catch {
        // Somebody else's, or ended meanwhile.
        return []
      }
    })
}

/** A control group can be removed only from its leaves, and only when its last process is gone. */
async function removeControlGroup(path: string): Promise<void> {
  if (!existsSync(path)) return
  for (const entry of readdirSync(path, { withFileTypes: true })) {
    if (entry.isDirectory()) await removeControlGroup(join(path, entry.name))
  }
  await waitFor(`removal of ${path}`, () => rmdir(path).then(() => true), { seconds: 10, everyMilliseconds: 50 })
}
