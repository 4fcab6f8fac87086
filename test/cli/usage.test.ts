import { afterAll, describe, expect, test } from '@jest/globals'
import { CommanderError } from 'commander'
import { createProgram } from '../../cli/program.ts'
import { Session, project, run } from './program.ts'

const commands = [
  'synth',
  'validate',
  'show',
  'requires',
  'failover',
  'images',
  'init',
  'status',
  'step-down',
  'agents',
  'commands',
  'tokens',
  'state',
  'whoami',
]

/** What a command line says without running a command. */
async function said(
  args: readonly string[],
): Promise<{ readonly code: number; readonly out: string; readonly err: string }> {
  let out = ''
  let err = ''
  const program = createProgram({ writeOut: (text) => (out += text), writeErr: (text) => (err += text) })
  try {
    await program.parseAsync(args, { from: 'user' })
  } catch (error) {
    if (error instanceof CommanderError) return { code: error.exitCode, out, err }
    throw error
  }
  throw new Error('expected no command to run')
}

describe('usage', () => {
  const session = new Session()
  afterAll(() => session.end())
  test.each(commands)('%s --help explains itself with examples', async (command) => {
    const { code, out, err } = await said([command, '--help'])
    expect({ code, err }).toEqual({ code: 0, err: '' })
    expect(out).toContain(`Usage: regent ${command}`)
    expect(out).toMatch(new RegExp(`Examples:\n {2}\\$ npx regent ${command}`))
  })

  test('the help of the program names every command and the exit codes', async () => {
    const { code, stdout, stderr } = await session.regent('--help')
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    for (const command of commands) expect(stdout).toMatch(new RegExp(`^ {2}${command} `, 'm'))
    expect(stdout).toContain('Exit codes: 0 done; 1')
  })

  test.each([
    ['no command', [], 'Usage: regent'],
    ['an unknown command', ['sinth'], "unknown command 'sinth'\n(Did you mean synth?)"],
    ['an unknown option', ['synth', '--chek'], "unknown option '--chek'\n(Did you mean --check?)"],
    ['a missing argument', ['show'], "missing required argument 'environment'"],
    ['a missing option', ['init', '--registry', 'r'], "required option '--repository <url>' not specified"],
    ['a step-down of nobody', ['step-down'], "missing required argument 'agent'"],
    [
      'a timeout that is none',
      ['step-down', 'a', '--timeout-seconds', '0'],
      'Expected a number of seconds up to 3600.',
    ],
    [
      'a timeout with a unit',
      ['step-down', 'a', '--timeout-seconds', '9s'],
      'Expected a number of seconds up to 3600.',
    ],
    ['one argument too many', ['show', 'dev', 'agent', 'more'], 'too many arguments'],
    [
      'a range without an environment',
      ['init', '--api-server', 'staging'],
      'Expected <environment>=<cidr>[,<cidr>], such as staging=10.1.0.0/24.',
    ],
  ])('%s is a mistake', async (_, args, message) => {
    const { code, out, err } = await said(args)
    expect({ code, out }).toEqual({ code: 1, out: '' })
    expect(err).toContain(message)
  })

  test('a mistake ends the program with 2', async () => {
    const { code, stdout, stderr } = await session.regent('synth', '--chek')
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' })
    expect(stderr).not.toBe('')
  })

  test('an unknown environment is answered with the known ones and the nearest', async () => {
    const { code, stdout, stderr } = await session.regent('synth', 'stagin')
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' })
    expect(stderr).toBe(
      "error: unknown environment 'stagin', did you mean 'staging'?; known: dev, local, staging, production-us-east-1, production-eu-west-1, production-ap-southeast-1\n",
    )
  })

  /** Starts the launcher on a Node that says to be another version. */
  function launch(version: string) {
    const pretend = `Object.defineProperty(process, 'versions', { value: { ...process.versions, node: '${version}' } })`
    const flags = ['--import', `data:text/javascript,${encodeURIComponent(pretend)}`]
    return run([process.execPath, ...flags, `${project}/cli/regent.js`, '--version'])
  }

  test.each(['20.19.5', '22.17.1'])('Node %s, which reads no TypeScript, is told what is missing', async (version) => {
    const { code, stdout, stderr } = await launch(version)
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' })
    expect(stderr).toMatch(
      new RegExp(`^error: regent needs Node 22\\.18 or newer, and this is ${version} .*npx regent.*\n$`),
    )
  })

  test('Node 22.18.0 starts the program', async () => {
    const { code, stdout } = await launch('22.18.0')
    expect(code).toBe(0)
    expect(stdout).toMatch(/^[0-9]+\.[0-9]+\.[0-9]+\n$/)
  })

  test('a reader that stops early is no failure', async () => {
    const command = `'${process.execPath}' cli/regent.ts show dev | true; echo "\${PIPESTATUS[0]}"`
    const { stdout, stderr } = await run(['bash', '-c', command])
    expect({ stdout, stderr }).toEqual({ stdout: '0\n', stderr: '' })
  })
})
