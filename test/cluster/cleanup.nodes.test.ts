import { afterEach, beforeEach, expect, test } from '@jest/globals'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { basename } from 'node:path'
import { mustRun } from './command-line.ts'
import { ClusterCommand, running } from './interrupted-start.ts'

let command: ClusterCommand
beforeEach(() => {
  command = new ClusterCommand()
})
afterEach(() => command.dispose())

/** What of a cluster this machine still knows. */
function traces(id: string): readonly string[] {
  const mounts = readFileSync('/proc/self/mounts', 'utf8').split('\n')
  const groups = readdirSync('/sys/fs/cgroup', { recursive: true, encoding: 'utf8' })
  const commands = readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map((pid) => (existsSync(`/proc/${pid}/cmdline`) ? readFileSync(`/proc/${pid}/cmdline`, 'utf8') : ''))
  return [...mounts, ...groups, ...commands].filter((text) => text.includes(id))
}

test('of a node whose starter was killed, a later run leaves no process, mount, link or control group', async () => {
  const links = await mustRun(['ip', '-o', 'link'])
  // The two spaces, the control plane, containerd, the kubelet, kube-proxy and the provisioner: pods are next.
  const { interrupt, processes, folder } = await command.begin(1, 10)
  expect(traces(basename(folder))).not.toEqual([])
  await interrupt('SIGKILL')
  expect(running(processes)).not.toEqual([])
  expect((await command.run('down')).exitCode).toBe(0)
  expect(running(processes)).toEqual([])
  expect(traces(basename(folder))).toEqual([])
  expect(existsSync(folder)).toBe(false)
  const name = (line: string): string => line.split(':')[1] ?? ''
  expect((await mustRun(['ip', '-o', 'link'])).split('\n').map(name)).toEqual(links.split('\n').map(name))
})
