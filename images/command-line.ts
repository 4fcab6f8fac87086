import { spawn } from 'node:child_process'

/** A command of the machine failed, or is not there. Its message is for the person who started the build. */
export class CommandError extends Error {
  override readonly name = 'CommandError'
}

export interface RunOptions {
  readonly cwd?: string
  readonly env?: NodeJS.ProcessEnv
  /** Longest time, after which it is killed. @default 600 */
  readonly seconds?: number
}

/**
 * Runs a command that must succeed and returns what it printed.
 *
 * @throws CommandError with the last lines of its standard error
 */
export function run(command: readonly [string, ...string[]], options: RunOptions = {}): Promise<string> {
  const [program, ...args] = command
  const seconds = options.seconds ?? 600
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, {
      cwd: options.cwd,
      env: options.env ?? process.env,
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    const timer = setTimeout(() => child.kill('SIGKILL'), seconds * 1000)
    const endWithUs = (): unknown => child.kill('SIGKILL')
    process.once('exit', endWithUs)
    const out: Buffer[] = []
    const errors: string[] = []
    child.stdout.on('data', (chunk: Buffer) => out.push(chunk))
    child.stderr.setEncoding('utf8').on('data', (text: string) => errors.push(text))
    const settle = (): void => {
      clearTimeout(timer)
      process.off('exit', endWithUs)
    }
    child.on('error', (error) => {
      settle()
      reject(new CommandError(`${program}: ${error.message}`))
    })
    child.on('close', (code, signal) => {
      settle()
      if (code === 0) {
        resolve(Buffer.concat(out).toString())
        return
      }
      const ended =
        code === null ? `was ended by ${signal ?? 'a signal'}, at the latest after ${seconds} s` : `ended with ${code}`
      const tail = errors.join('').trimEnd().split('\n').slice(-20).join('\n')
      reject(new CommandError(`${command.slice(0, 2).join(' ')} ${ended}:\n${tail}`))
    })
  })
}
