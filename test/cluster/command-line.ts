import { spawn } from 'node:child_process'

/** What a command that ran to its end left. */
export interface Finished {
  readonly stdout: string
  readonly stderr: string
  readonly exitCode: number
}

export interface RunOptions {
  readonly input?: string
  readonly cwd?: string
  readonly env?: NodeJS.ProcessEnv
  /** After which it is killed. @default 60 */
  readonly seconds?: number
}

/** Runs a command to its end, whatever its exit code. @throws if it cannot start or takes too long */
export function run(command: readonly string[], options: RunOptions = {}): Promise<Finished> {
  const [file = '', ...args] = command
  const limit = options.seconds ?? 60
  return new Promise((resolve, reject) => {
    const child = spawn(file, args, { cwd: options.cwd, env: options.env ?? process.env, stdio: 'pipe' })
    const out: Buffer[] = []
    const err: Buffer[] = []
    let late = false
    const timer = setTimeout(() => {
      late = true
      child.kill('SIGKILL')
    }, limit * 1000)
    const endWithUs = (): unknown => child.kill('SIGKILL')
    process.once('exit', endWithUs)
    child.stdout.on('data', (chunk: Buffer) => out.push(chunk))
    child.stderr.on('data', (chunk: Buffer) => err.push(chunk))
    const settle = (): void => {
      clearTimeout(timer)
      process.off('exit', endWithUs)
    }
    child.on('error', (error) => {
      settle()
      reject(new Error(`${file}: ${error.message}`))
    })
    child.on('close', (code) => {
      settle()
      const finished = {
        stdout: Buffer.concat(out).toString(),
        stderr: Buffer.concat(err).toString(),
        exitCode: code ?? -1,
      }
      if (late) reject(new Error(`${command.join(' ')}: not finished after ${limit} s\n${finished.stderr}`))
      else resolve(finished)
    })
    // A command that ends without reading its input closes the pipe: its exit code tells, not this.
    child.stdin.on('error', () => undefined)
    child.stdin.end(options.input ?? '')
  })
}

/** Runs a command that must succeed and returns its standard output. @throws with its standard error */
export async function mustRun(command: readonly string[], options: RunOptions = {}): Promise<string> {
  const { stdout, stderr, exitCode } = await run(command, options)
  if (exitCode !== 0) throw new Error(`${command.join(' ')}: exit code ${exitCode}\n${stderr || stdout}`)
  return stdout
}
