import { type ChildProcess, fork, spawn } from 'node:child_process'
import { once } from 'node:events'
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
 * One process that runs `regent` as often as it is asked to, one after the other. For everything that does not change
 * the project in between: what was imported once stays as it was.
 */
export class Session {
  readonly #folder: string
  #child: ChildProcess | undefined
  #last: Promise<unknown> = Promise.resolve()

  constructor(folder = project) {
    this.#folder = folder
  }

  regent(...args: readonly string[]): Promise<Ended> {
    const ended = this.#last.then(() => this.#run(args))
    this.#last = ended.catch(() => undefined)
    return ended
  }

  async #run(args: readonly string[]): Promise<Ended> {
    this.#child ??= fork(join(import.meta.dirname, 'session-process.ts'), [join(this.#folder, 'cli/regent.ts')], {
      cwd: this.#folder,
      env: environment,
      execArgv: [],
    })
    const over = new AbortController()
    const answered = once(this.#child, 'message', { signal: over.signal }) as Promise<[Ended]>
    const died = once(this.#child, 'exit', { signal: over.signal }).then(([code]): never => {
      throw new Error(`regent ${args.join(' ')}: expected an answer, got the end of its process (${String(code)})`)
    })
    this.#child.send(args)
    const [answer] = await Promise.race([answered, died])
    over.abort()
    return answer
  }

  end(): void {
    this.#child?.kill()
  }
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
