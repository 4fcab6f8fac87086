import { spawn } from 'node:child_process'
import {
  cpSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, dirname, join, resolve } from 'node:path'

/** What a program that has ended left behind. */
export interface Ended {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

export const project = resolve(import.meta.dirname, '../..')
/** Nothing of the machine that the tests run on: neither its cluster nor its colours. */
const environment = {
  PATH: [dirname(process.execPath), process.env['PATH']].join(delimiter),
  HOME: '/nonexistent',
  // The same program starts many times: compiled once, it starts in three quarters of the time.
  NODE_COMPILE_CACHE: join(tmpdir(), 'regent-test-compile-cache'),
}

/** Runs a program to its end. */
export function run(
  command: readonly string[],
  options: { readonly cwd?: string; readonly env?: Readonly<Record<string, string>> } = {},
): Promise<Ended> {
  const [file = '', ...args] = command
  const child = spawn(file, args, {
    cwd: options.cwd ?? project,
    env: { ...environment, ...options.env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const output = { stdout: '', stderr: '' }
  child.stdout.setEncoding('utf8').on('data', (text: string) => (output.stdout += text))
  child.stderr.setEncoding('utf8').on('data', (text: string) => (output.stderr += text))
  return new Promise((done, failed) => {
    child.on('error', failed)
    child.on('close', (code) => done({ code, ...output }))
  })
}

/** Runs `regent` of this project, or of a copy of it. */
export function regent(args: readonly string[], folder = project): Promise<Ended> {
  return run([process.execPath, join(folder, 'cli/regent.ts'), ...args], { cwd: folder })
}

/**
 * A copy of everything that synthesizing reads, which a test may change. It has three environments: they show as much
 * as all of them, in less time.
 */
export class ProjectCopy {
  readonly folder = realpathSync(mkdtempSync(join(tmpdir(), 'regent-copy-')))

  constructor() {
    for (const name of ['cli', 'environments', 'lib', 'cdk8s.yaml', 'images.lock.json', 'main.ts', 'package.json']) {
      cpSync(join(project, name), join(this.folder, name), { recursive: true })
    }
    symlinkSync(join(project, 'node_modules'), join(this.folder, 'node_modules'))
    const index = this.read('environments/index.ts')
    this.write('environments/index.ts', index.replace(/= \[[^\]]*\]/, '= [dev, local, staging]'))
  }

  path(name: string): string {
    return join(this.folder, name)
  }

  read(name: string): string {
    return readFileSync(this.path(name), 'utf8')
  }

  write(name: string, text: string): void {
    writeFileSync(this.path(name), text)
  }

  /** Replaces a text that must be there. */
  edit(name: string, from: string, to: string): void {
    const before = this.read(name)
    if (!before.includes(from)) throw new Error(`${name}: expected '${from}', got ${before}`)
    this.write(name, before.replace(from, to))
  }

  regent(...args: readonly string[]): Promise<Ended> {
    return regent(args, this.folder)
  }

  cdk8sSynth(): Promise<Ended> {
    const cdk8s = join(this.folder, 'node_modules/.bin/cdk8s')
    return run([cdk8s, 'synth'], { cwd: this.folder, env: { CDK8S_CHECK_UPGRADE: 'false' } })
  }

  remove(): void {
    rmSync(this.folder, { recursive: true, force: true })
  }
}

/** The text of every file below a folder, by path. */
export function filesBelow(folder: string): Readonly<Record<string, string>> {
  return Object.fromEntries(
    readdirSync(folder, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name))
      .map((path): [string, string] => [path.slice(folder.length + 1), readFileSync(path, 'utf8')])
      .sort(([a], [b]) => (a < b ? -1 : 1)),
  )
}
