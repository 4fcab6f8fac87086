import { afterEach, beforeEach, describe, expect, test } from '@jest/globals'
import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { ClusterCommand, processesOf, running } from './interrupted-start.ts'

let command: ClusterCommand
beforeEach(() => {
  command = new ClusterCommand()
})
afterEach(() => command.dispose())

describe('a control plane', () => {
  test('is removed when its start is interrupted', async () => {
    const { interrupt, processes, folder } = await command.begin(0, 2)
    await interrupt('SIGTERM')
    expect(running(processes)).toEqual([])
    expect(existsSync(folder)).toBe(false)
  })

  test('is removed by a later run if its starter was killed', async () => {
    const { interrupt, processes, folder } = await command.begin(0, 2)
    await interrupt('SIGKILL')
    expect(running(processes)).toEqual(processes)
    expect((await command.run('down')).exitCode).toBe(0)
    expect(running(processes)).toEqual([])
    expect(existsSync(folder)).toBe(false)
  })

  test('stays for a person until it is taken down', async () => {
    const { stdout } = await command.run('up', '--nodes', '0')
    expect(existsSync(/export KUBECONFIG=(.*)/.exec(stdout)?.[1] ?? '')).toBe(true)
    const processes = processesOf(join(command.root, readdirSync(command.root)[0] ?? ''))
    expect(running(processes)).toEqual(processes)
    await command.run('down')
    expect(running(processes)).toEqual([])
    expect(readdirSync(command.root)).toEqual([])
  })
})
