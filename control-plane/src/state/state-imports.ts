import type { beginImport, ImportedPart, importPart, ImportResource, ImportResult } from '@regent/contract/api.ts'
import { checksumOf, nextChecksum, readStateHeader, readStateTrailer } from '@regent/contract/state-file.ts'
import type { Log } from '@regent/runtime/logging/log.ts'
import type { z } from 'zod'
import { Conflict, NotThere } from '../agents/errors.ts'
import { itemsOf } from '../commands/fenced-commands.ts'
import type { HourlyLease } from '../commands/hourly-lease.ts'
import { StoreUnavailable } from '../store/errors.ts'
import type { Compare } from '../store/key-value.ts'
import { keys } from '../store/keys.ts'
import type { Store } from '../store/store.ts'
import { InvalidState } from './errors.ts'
import { readPart } from './import-part.ts'
import { importDoneRecord, type ImportLock, importLockRecord } from './import-records.ts'
import type { ImportPut } from './import-writes.ts'
import { contentIn, emptyStore, leftovers, readContent, removal } from './store-content.ts'

export interface StateImportsOptions {
  readonly store: Pick<Store, 'get' | 'transact' | 'expiry'>
  /** Keeps what ended, and keys of idempotency. */
  readonly lease: HourlyLease
  readonly log: Log
  /** After so long without another part an import is given up, in seconds. @default 120 */
  readonly aliveSeconds?: number
  /** Milliseconds since 1970. @default Date.now */
  readonly wallMs?: () => number
}

/** Most entries of a state. */
const mostEntries = 10_000_000
/** How often something is tried that others got ahead of. */
const mostAttempts = 5
/** Everything that was imported is removed by one transaction, which may take long: in milliseconds. */
const removalMs = 15_000

interface Held {
  readonly lock: ImportLock
  readonly modRevision: bigint
}

/**
 * Imports a state, part by part, at any pods, into a store that holds none.
 *
 * A key in etcd locks the state from the first request to the last: every transaction of others that would change it
 * fails, and every one of the import compares the revision of that key. So two imports never mix; one that is given up,
 * or of which nothing is heard any more, is removed by one transaction, and one that is completed is there by one.
 *
 * Not guaranteed: that nobody *reads* a part of the state meanwhile; nor the lock against pods of a version that does
 * not know it.
 *
 * @throws StoreUnavailable, StoreFull of the store, from every call: the same request may be repeated
 */
export class StateImports {
  readonly #options: StateImportsOptions
  readonly #aliveSeconds: number
  readonly #wallMs: () => number

  constructor(options: StateImportsOptions) {
    this.#options = options
    this.#aliveSeconds = options.aliveSeconds ?? 120
    this.#wallMs = options.wallMs ?? Date.now
  }

  /**
   * Locks the state. What an import left behind of which nothing is heard any more is removed first.
   *
   * @throws Conflict where the store holds anything of a state, or another import is under way
   * @throws InvalidState where the header is of no state that is known here
   */
  async begin(
    { importId, header, dropOpenCommands }: z.output<typeof beginImport>,
    by: string,
  ): Promise<ImportResource> {
    const { store, log } = this.#options
    for (let attempt = 1; attempt <= mostAttempts; attempt += 1) {
      const content = contentIn((await store.transact({ when: [], then: readContent })).results)
      if (content.lock !== undefined) {
        const lock = importLockRecord.parse(content.lock)
        // Our own, whose answer was lost.
        if (content.isAlive && lock.importId === importId && lock.nextPart === 0) return resourceOf(lock)
        if (content.isAlive) throw this.#underWay(lock)
        await this.removeAbandoned()
        continue
      }
      if (content.holds !== undefined) {
        throw new Conflict(
          `the store holds ${content.holds}, and a state is imported into an empty one only; stop the agents, remove what ` +
            'is there, or start the control plane on a new etcd',
        )
      }
      const read = readStateHeader(header)
      if ('problem' in read) throw new InvalidState('header', read.problem)
      const lock: ImportLock = {
        ...{ importId, begunBy: by, dropOpenCommands, nextPart: 0, entries: 0, problems: 0 },
        begunAt: new Date(this.#wallMs()).toISOString(),
        checksum: checksumOf(header),
      }
      const { succeeded } = await store.transact({
        when: [{ key: keys.importLock, exists: false }, ...emptyStore],
        then: [...leftovers, putLock(lock), await this.#putAlive()],
      })
      if (!succeeded) continue
      log.info('state-import-begun', { import: importId, by, dropOpenCommands })
      return resourceOf(lock)
    }
    throw changedMeanwhile()
  }

  /**
   * Takes the next lines. The part that was taken last may come again: its answer was lost.
   *
   * @throws NotThere where there is no such import, not any more
   * @throws Conflict where it is another part's turn
   */
  async take(importId: string, { part, lines }: z.output<typeof importPart>): Promise<ImportedPart> {
    const { store, lease } = this.#options
    const { lock, modRevision } = await this.#held(importId)
    const { lastPart, nextPart } = lock
    if (part === nextPart - 1 && lastPart !== undefined) {
      const { checksum, problems } = lastPart
      if (lines.reduce(nextChecksum, checksum) === lock.checksum) return { ...resourceOf(lock), problems }
    }
    if (part !== nextPart) throw new Conflict(`expected part ${nextPart} of the import, got another part ${part}`)
    if (lock.entries + lines.length > mostEntries) {
      throw new Conflict(`a state has at most ${mostEntries} entries, and this one has more`)
    }
    const droppedBy = lock.dropOpenCommands ? lock.begunBy : undefined
    const { batches, next } = readPart(lock, lines, { nowMs: this.#wallMs(), droppedBy })
    const when = [{ key: keys.importLock, modRevision }]
    const write = async (batch: readonly ImportPut[]): Promise<boolean> => {
      const put = async (id: bigint): Promise<boolean> => {
        const then = batch.map(({ put, value, expires }) => ({ put, value, ...(expires && { lease: id }) }))
        return (await store.transact({ when, then })).succeeded
      }
      return batch.some(({ expires }) => expires) ? await lease.use(put) : await put(0n)
    }
    for (const batch of batches) if (!(await write(batch))) throw changedMeanwhile()
    const { succeeded } = await store.transact({ when, then: [putLock(next), await this.#putAlive()] })
    if (!succeeded) throw changedMeanwhile()
    return { ...resourceOf(next), problems: next.lastPart?.problems ?? [] }
  }

  /**
   * Makes what was imported the state, where it is whole.
   *
   * @throws NotThere where there is no such import, not any more
   * @throws InvalidState where it is not whole; it can only be given up then
   */
  async complete(importId: string, trailer: string): Promise<ImportResult> {
    const { store, log } = this.#options
    const done = await store.get(keys.importDone)
    const before = done.found && importDoneRecord.parse(done.found)
    if (before?.importId === importId) return before
    const { lock, modRevision } = await this.#held(importId)
    const problem = problemOf(lock, trailer)
    if (problem !== undefined) throw new InvalidState('trailer', problem)
    const result = { importId, completedAt: new Date(this.#wallMs()).toISOString(), entries: lock.entries }
    const { succeeded } = await store.transact({
      when: [{ key: keys.importLock, modRevision }],
      then: [
        { delete: keys.importLock },
        { delete: keys.importAlive },
        { put: keys.importDone, value: importDoneRecord.serialize(result) },
      ],
    })
    if (!succeeded) throw changedMeanwhile()
    log.info('state-imported', { import: importId, entries: lock.entries })
    return result
  }

  /** Gives an import up, with everything that it brought. @throws NotThere where there is no such import */
  async abort(importId: string): Promise<void> {
    for (let attempt = 1; attempt <= mostAttempts; attempt += 1) {
      const { modRevision } = await this.#held(importId)
      if (await this.#remove([{ key: keys.importLock, modRevision }])) {
        this.#options.log.info('state-import-removed', { import: importId, why: 'it was given up' })
        return
      }
    }
    throw changedMeanwhile()
  }

  /** Removes an import of which nothing is heard any more, with everything that it brought. @returns whether there was one */
  async removeAbandoned(): Promise<boolean> {
    const { store, log } = this.#options
    const { results } = await store.transact({
      when: [],
      then: [{ get: keys.importLock }, { get: keys.importAlive }],
    })
    const [[stored], [alive]] = [itemsOf(results[0]), itemsOf(results[1])]
    if (stored === undefined || alive !== undefined) return false
    const isRemoved = await this.#remove([
      { key: keys.importLock, modRevision: stored.modRevision },
      { key: keys.importAlive, exists: false },
    ])
    if (isRemoved) log.warn('state-import-removed', { why: `nothing came of it for ${this.#aliveSeconds} s` })
    return isRemoved
  }

  async #remove(when: readonly Compare[]): Promise<boolean> {
    const { succeeded } = await this.#options.store.transact({ when, then: removal }, { timeoutMs: removalMs })
    return succeeded
  }

  async #held(importId: string): Promise<Held> {
    const { found } = await this.#options.store.get(keys.importLock)
    const lock = found && importLockRecord.parse(found)
    if (found === undefined || lock?.importId !== importId) {
      throw new NotThere(`import '${importId}', not any more: it was given up, or nothing came of it; begin again`)
    }
    return { lock, modRevision: found.modRevision }
  }

  async #putAlive() {
    return { put: keys.importAlive, value: '{}', lease: await this.#options.store.expiry(this.#aliveSeconds) }
  }

  #underWay({ begunBy, begunAt }: ImportLock): Conflict {
    return new Conflict(
      `an import by ${begunBy} is under way since ${begunAt}; wait until it has ended. It is given up ` +
        `${this.#aliveSeconds} s after the last that came of it`,
    )
  }
}

function putLock(lock: ImportLock) {
  return { put: keys.importLock, value: importLockRecord.serialize(lock) }
}

function problemOf(lock: ImportLock, line: string): string | undefined {
  if (lock.problems > 0) return `${lock.problems} of its lines are wrong; nothing of it stays`
  const read = readStateTrailer(line)
  if ('problem' in read) return read.problem
  const { entries, checksum } = read.trailer
  if (entries !== lock.entries) return `it says that there are ${entries} entries, and ${lock.entries} came`
  return checksum === lock.checksum ? undefined : 'its checksum is another: lines were changed'
}

function resourceOf({ importId, begunAt, begunBy, nextPart, entries }: ImportLock): ImportResource {
  return { importId, begunAt, begunBy, nextPart, entries }
}

function changedMeanwhile(): StoreUnavailable {
  return new StoreUnavailable('the import was changed by others meanwhile; repeat the request', {
    mayHaveHappened: true,
  })
}
