import {
  accessSync,
  constants,
  type Dirent,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  rmdirSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import type { Problem } from '@regent/contract/problem.ts'
import { ownershipLine } from './serialize.ts'

/** What writing changed, by path below the output folder. */
export interface Written {
  readonly created: readonly string[]
  readonly changed: readonly string[]
  readonly removed: readonly string[]
  /** Files in the way of nothing that synthesizing did not write: they stay. */
  readonly foreign: readonly string[]
}

/** Thrown before anything was changed. */
export class OutputError extends Error {
  readonly problem: Problem

  constructor(problem: Problem) {
    super(problem.expected)
    this.problem = problem
  }
}

/** Where files are written before they are moved into place. */
const stagingName = '.staging'

/** What writing these files would change. Reads the folder, changes nothing. */
export function compareOutput(
  folder: string,
  files: ReadonlyMap<string, string>,
  environments: readonly string[],
): Written {
  const present = new Set(environments.flatMap((environment) => filesBelow(folder, environment)))
  const others = [...present].filter((path) => !files.has(path))
  const ours = new Set(others.filter((path) => isOurs(join(folder, path))))
  return {
    created: [...files.keys()].filter((path) => !present.has(path)),
    changed: [...files]
      .filter(([path, text]) => present.has(path) && read(join(folder, path)) !== text)
      .map(([path]) => path),
    removed: [...ours],
    foreign: others.filter((path) => !ours.has(path)),
  }
}

/**
 * Makes the environments' folders hold exactly these files. Everything is written beside them first and then moved
 * into place, so that a full disk or a missing permission changes nothing. Files that are not ours stay.
 *
 * @param environments whose folders are brought up to date; the others are left alone
 * @throws OutputError when the folder cannot be written, or a foreign file has the name of one of ours
 */
export function writeOutput(
  folder: string,
  files: ReadonlyMap<string, string>,
  environments: readonly string[],
): Written {
  refuseUnwritable(folder)
  const difference = compareOutput(folder, files, environments)
  const blocked = [
    ...difference.created.filter((path) => existsSync(join(folder, path))),
    ...difference.changed.filter((path) => !isOurs(join(folder, path))),
  ][0]
  if (blocked !== undefined) {
    throw outputError(
      join(folder, blocked),
      'something that synthesizing did not write',
      'nothing of that name',
      'move it elsewhere',
    )
  }
  const staging = join(folder, stagingName)
  try {
    rmSync(staging, { recursive: true, force: true })
    makeFolder(staging)
    const moved = [...difference.created, ...difference.changed]
    for (const below of new Set(moved.map((path) => dirname(path)))) {
      mkdirSync(join(staging, below), { recursive: true })
      mkdirSync(join(folder, below), { recursive: true })
    }
    for (const path of moved) writeFileSync(join(staging, path), files.get(path) ?? '')
    for (const path of moved) {
      renameSync(join(staging, path), join(folder, path))
    }
    for (const path of difference.removed) {
      rmSync(join(folder, path))
      removeEmptyParents(folder, path)
    }
  } catch (error) {
    throw outputError(
      folder,
      String(error),
      'a folder that can be written',
      'free some space or correct its permissions',
    )
  } finally {
    rmSync(staging, { recursive: true, force: true })
  }
  return difference
}

/**
 * Folders of environments that no longer exist and still hold files of ours, `<environment>/<application>/<file>`. A
 * folder that holds them deeper, such as another output folder, is none.
 */
export function abandonedEnvironments(folder: string, known: readonly string[]): readonly string[] {
  return foldersIn(folder).filter(
    (name) =>
      name !== stagingName &&
      !known.includes(name) &&
      foldersIn(join(folder, name)).some((application) =>
        entriesOf(join(folder, name, application)).some(
          (entry) => entry.isFile() && isOurs(join(folder, name, application, entry.name)),
        ),
      ),
  )
}

function foldersIn(folder: string): readonly string[] {
  return entriesOf(folder)
    .filter((entry) => entry.isDirectory())
    .map(({ name }) => name)
}

/** What a folder holds; nothing where it is none or may not be read. */
function entriesOf(folder: string): readonly Dirent[] {
  try {
    return readdirSync(folder, { withFileTypes: true })
  } catch {
    return []
  }
}

function refuseUnwritable(folder: string): void {
  let existing = resolve(folder)
  while (!existsSync(existing)) existing = dirname(existing)
  if (!statSync(existing).isDirectory()) {
    throw outputError(folder, `a file at ${existing}`, 'a folder', 'choose another output folder')
  }
  try {
    accessSync(existing, constants.W_OK | constants.X_OK)
  } catch {
    throw outputError(
      folder,
      'no permission to write',
      'a folder that can be written',
      `change the permissions of ${existing}`,
    )
  }
}

/** One folder after the other: where the system lets nobody create any, such as in /proc, Node's own way never ends. */
function makeFolder(folder: string): void {
  if (existsSync(folder)) return
  makeFolder(dirname(folder))
  mkdirSync(folder)
}

function outputError(path: string, received: string, expected: string, fix: string): OutputError {
  return new OutputError({ path, received, expected, fix, severity: 'error' })
}

/** Links are not followed: what lies behind them is not in this folder. */
function filesBelow(folder: string, below: string): readonly string[] {
  return entriesOf(join(folder, below))
    .flatMap((entry) => {
      const path = `${below}/${entry.name}`
      return entry.isDirectory() ? filesBelow(folder, path) : [path]
    })
    .sort()
}

function isOurs(file: string): boolean {
  return read(file)?.startsWith(ownershipLine) ?? false
}

/** `undefined` for what is no file, such as a link to nowhere, and for what may not be read. */
function read(file: string): string | undefined {
  try {
    return statSync(file).isFile() ? readFileSync(file, 'utf8') : undefined
  } catch {
    return undefined
  }
}

function removeEmptyParents(folder: string, path: string): void {
  for (let parent = dirname(path); parent !== '.'; parent = dirname(parent)) {
    if (readdirSync(join(folder, parent)).length > 0) return
    rmdirSync(join(folder, parent))
  }
}
