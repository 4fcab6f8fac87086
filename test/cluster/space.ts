import { mkdirSync, readFileSync, readlinkSync } from 'node:fs'
import { basename, join } from 'node:path'
import { binary } from './binaries.ts'
import { cacheFolder } from './cache.ts'
import { mustRun } from './command-line.ts'
import { identityOf, type Identity } from './identity.ts'
import type { Journal } from './journal.ts'
import { assertRunning, startProcess } from './processes.ts'
import { Unavailable } from './unavailable.ts'
import { Stop, waitFor } from './wait-for.ts'

/**
 * A machine inside this machine: mounts, network, processes and host name of its own. All of it hangs on one process;
 * when that is killed, the kernel ends every other process in it and removes its links and mounts. So there is nothing
 * to clean up that a crash could leave.
 */
export interface Space {
  readonly name: string
  /** Process 1 of the space. */
  readonly holder: Identity
}

/** What a space has of its own in place of this machine's. */
const HIDDEN = ['/run', '/var/lib', '/var/log']

/**
 * The kubelet writes these kernel settings, which are this machine's and not the space's, unless they already have the
 * value that it wants: so it is shown files that do.
 */
const KERNEL_SETTINGS: Readonly<Record<string, string>> = {
  'vm/overcommit_memory': '1',
  'vm/panic_on_oom': '0',
  'kernel/panic': '10',
  'kernel/panic_on_oops': '1',
  'kernel/keys/root_maxkeys': '1000000',
  'kernel/keys/root_maxbytes': '25000000',
}

/** Starts a space and waits until it stands. Its network has only a loopback interface. */
export async function startSpace(journal: Journal, name: string): Promise<Space> {
  for (const folder of [cacheFolder(), journal.folder, process.execPath]) {
    const under = HIDDEN.find((hidden) => folder.startsWith(`${hidden}/`))
    if (under !== undefined) throw new Unavailable(`${folder} must not lie in ${under}, which nodes have of their own`)
  }
  const folder = join(journal.folder, name)
  for (const part of ['lib', 'log', 'settings']) mkdirSync(join(folder, part), { recursive: true })
  const pause = await binary('pause')
  const settings = Object.entries(KERNEL_SETTINGS).map(
    ([path, value]) =>
      `f="$1/settings/${path.replaceAll('/', '.')}"; echo ${value} > "$f"; mount --bind "$f" /proc/sys/${path}`,
  )
  const script = [
    'set -e',
    'mount --make-rshared /',
    'mount -t tmpfs -o mode=755 tmpfs /run',
    'mount --bind "$1/lib" /var/lib',
    'mount --bind "$1/log" /var/log',
    ...settings,
    'hostname "$2"',
    'ip link set lo up',
    'exec "$3"',
  ].join('\n')
  const isolation = ['--mount', '--net', '--pid', '--uts', '--ipc', '--fork', '--kill-child', '--mount-proc']
  const starter = startProcess(journal, name, [
    'unshare',
    ...isolation,
    ...['--propagation', 'private', 'sh', '-c', script, 'sh', folder, name, pause],
  ])
  const holder = await waitFor(
    `space ${name}`,
    () => {
      try {
        assertRunning(journal.folder, name, starter)
      } catch (error) {
        throw new Stop(error)
      }
      const child = childOf(starter)
      return child !== undefined && basename(readlinkSync(`/proc/${child}/exe`)) === 'pause' && identityOf(child)
    },
    { seconds: 10, everyMilliseconds: 10 },
  )
  return { name, holder }
}

/** The only child of a process that does nothing but wait for it, as `unshare` and `nsenter` do. */
export function childOf({ pid }: Identity): number | undefined {
  const [child = ''] = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ')
  return child === '' ? undefined : Number(child)
}

/** What a command is started with to run inside of a space. */
export function entering({ holder }: Pick<Space, 'holder'>): readonly string[] {
  return ['nsenter', `--target=${holder.pid}`, '--mount', '--net', '--pid', '--uts', '--ipc', '--']
}

/** Runs a command inside of a space. @throws with its standard error if it fails */
export function runIn(space: Pick<Space, 'holder'>, command: readonly string[], input?: string): Promise<string> {
  return mustRun([...entering(space), ...command], input === undefined ? {} : { input })
}
