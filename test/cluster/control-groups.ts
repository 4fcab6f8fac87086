import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Journal } from './journal.ts'

/**
 * Makes the control group that a node's pods live under, in every hierarchy, and returns its path as the kubelet's
 * `cgroupRoot`. The kubelet does not make its root itself.
 */
export function makeControlGroup(journal: Journal, name: string): string {
  const [top = ''] = name.split('/')
  // Where both versions are mounted, runc makes its groups in the second too.
  for (const path of mountsOf('cgroup2')) journal.add({ kind: 'cgroup', path: join(path, top) })
  for (const { mount, unified } of hierarchies()) {
    let path = mount
    for (const part of name.split('/')) {
      if (unified) passControllers(path)
      const parent = path
      path = join(path, part)
      if (existsSync(path)) continue
      journal.add({ kind: 'cgroup', path })
      mkdirSync(path)
      if (!unified) inheritCpuSet(parent, path)
    }
  }
  return `/${name}`
}

interface Hierarchy {
  readonly mount: string
  readonly unified: boolean
}

/** Version 1 where there is any: beside it, an empty version 2 is mounted for systemd alone. */
function hierarchies(): readonly Hierarchy[] {
  const first = mountsOf('cgroup').map((mount) => ({ mount, unified: false }))
  return first.length > 0 ? first : mountsOf('cgroup2').map((mount) => ({ mount, unified: true }))
}

function mountsOf(type: 'cgroup' | 'cgroup2'): readonly string[] {
  return readFileSync('/proc/mounts', 'utf8')
    .split('\n')
    .map((line) => line.split(' '))
    .filter(([, mount = '', actual]) => actual === type && mount.startsWith('/sys/fs/cgroup'))
    .map(([, mount = '']) => mount)
}

/** A new cpuset is empty, and no process may enter an empty one. */
function inheritCpuSet(parent: string, path: string): void {
  for (const file of ['cpuset.cpus', 'cpuset.mems']) {
    if (existsSync(join(path, file))) writeFileSync(join(path, file), readFileSync(join(parent, file)))
  }
}

/** In version 2 a group has only the controllers that its parent passes on. */
function passControllers(path: string): void {
  const all = readFileSync(join(path, 'cgroup.controllers'), 'utf8').trim().split(' ').filter(Boolean)
  writeFileSync(join(path, 'cgroup.subtree_control'), all.map((controller) => `+${controller}`).join(' '))
}
