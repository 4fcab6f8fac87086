import { randomUUID } from 'node:crypto'
import { existsSync } from 'node:fs'
import { link, mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { homedir } from 'node:os'
import { dirname, join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { identityOf, isRunning, type Identity } from './identity.ts'

/** Longer than any build takes on two busy cores. */
const LOCK_SECONDS = 1800

/** Where built things live: outside of the repository, because they outlive a checkout. */
export function cacheFolder(): string {
  const home = process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache')
  return process.env['REGENT_CACHE'] ?? join(home, 'regent')
}

/**
 * The folder of `key`, filled once. The key must name everything that the content depends on. A folder is moved into
 * place only when it is complete, so that an interrupted build leaves nothing that looks finished.
 */
export async function cached(key: string, fill: (folder: string) => Promise<void>): Promise<string> {
  const folder = join(cacheFolder(), key)
  if (existsSync(folder)) return folder
  await mkdir(dirname(folder), { recursive: true })
  const unlock = await lock(`${folder}.lock`)
  try {
    if (existsSync(folder)) return folder
    const draft = `${folder}.${randomUUID()}`
    await mkdir(draft)
    try {
      await fill(draft)
      await rename(draft, folder)
    } finally {
      await rm(draft, { recursive: true, force: true })
    }
    return folder
  } finally {
    await unlock()
  }
}

/**
 * One builder per key. The lock spares double work only: two that both believe to hold it would build twice and one
 * would fail to move its folder, nothing else.
 */
async function lock(file: string): Promise<() => Promise<void>> {
  const mine = `${file}.${randomUUID()}`
  await writeFile(mine, JSON.stringify(identityOf(process.pid)))
  try {
    const deadline = Date.now() + LOCK_SECONDS * 1000
    while (Date.now() < deadline) {
      try {
        // A link appears with its content: nobody can read a lock without an owner.
        await link(mine, file)
        return () => rm(file, { force: true })
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
      }
      if (await isHeld(file)) await pause(200)
      else await rm(file, { force: true })
    }
    throw new Error(`${file}: still locked after ${LOCK_SECONDS} s`)
  } finally {
    await rm(mine, { force: true })
  }
}

async function isHeld(file: string): Promise<boolean> {
  try {
    return isRunning(JSON.parse(await readFile(file, 'utf8')) as Identity)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false
    throw error
  }
}
