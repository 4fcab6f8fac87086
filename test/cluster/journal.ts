import { appendFileSync, existsSync, mkdirSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { tmpdir, userInfo } from 'node:os'
import { join } from 'node:path'
import { identityOf, isRunning, type Identity } from './identity.ts'

/** Something that outlives its creator unless it is removed. Namespaces, links and mounts end with their holder. */
export type Entry =
  | { readonly kind: 'owner'; readonly process: Identity }
  | { readonly kind: 'process'; readonly name: string; readonly process: Identity }
  | { readonly kind: 'cgroup'; readonly path: string }

/** Marks the processes of a cluster, so that one which no journal names yet, or ever, is found after a crash. */
export const MEMBER_VARIABLE = 'REGENT_CLUSTER_MEMBER'

/** The folder of all clusters of this user on this machine. */
export function clustersFolder(): string {
  return join(tmpdir(), `regent-clusters-${userInfo().username}`)
}

/**
 * What a cluster started, written before or at once after it exists: whoever comes later can remove it, whatever
 * became of the one that started it.
 */
export class Journal {
  readonly folder: string
  #closed = false

  constructor(folder: string) {
    this.folder = folder
  }

  static create(folder: string): Journal {
    mkdirSync(folder, { recursive: true, mode: 0o700 })
    const journal = new Journal(folder)
    journal.add({ kind: 'owner', process: identityOf(process.pid) })
    return journal
  }

  /** @throws after `close`, so that a start which is interrupted stops there */
  add(entry: Entry): void {
    if (this.#closed) throw new Error('the cluster is being removed')
    appendFileSync(join(this.folder, 'journal'), `${JSON.stringify(entry)}\n`)
  }

  close(): void {
    this.#closed = true
  }

  entries(): readonly Entry[] {
    const file = join(this.folder, 'journal')
    if (!existsSync(file)) return []
    const lines = readFileSync(file, 'utf8').split('\n')
    // The last line has no end if the writer was killed while it wrote: then the thing was not started either.
    return lines.slice(0, -1).map((line) => JSON.parse(line) as Entry)
  }

  /** Whether the process that started the cluster is still there to remove it. */
  isOwned(): boolean {
    return this.entries().some((entry) => entry.kind === 'owner' && isRunning(entry.process))
  }
}

/** The file in a cluster's folder that says: a person's, to stay without an owner. */
export const KEPT = 'kept'

function clusterFolders(): readonly string[] {
  const root = clustersFolder()
  return existsSync(root) ? readdirSync(root).map((name) => join(root, name)) : []
}

/** The clusters that `npm run cluster -- up` started. */
export function keptFolders(): readonly string[] {
  return clusterFolders().filter((folder) => existsSync(join(folder, KEPT)))
}

/** The clusters whose starter is gone without having removed them. */
export function abandonedFolders(): readonly string[] {
  return clusterFolders().filter((folder) => {
    if (existsSync(join(folder, KEPT))) return false
    // One that is just being created has no journal yet.
    const isNew = !existsSync(join(folder, 'journal')) && Date.now() - statSync(folder).mtimeMs < 60_000
    return !isNew && !new Journal(folder).isOwned()
  })
}
