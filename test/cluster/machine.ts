import { existsSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { run } from './command-line.ts'
import { stage } from './progress.ts'
import { Unavailable } from './unavailable.ts'

/** Where Debian puts the CNI plugins. */
export const NETWORK_PLUGINS = '/usr/lib/cni'

/** Programs or files that are needed of the machine, each with the Debian package that has it. */
export type MachineNeeds = readonly (readonly [needed: string, fromPackage: string])[]

/** What a node needs of the machine. Everything else is built. */
const NODE_NEEDS: MachineNeeds = [
  ['containerd', 'containerd'],
  ['ctr', 'containerd'],
  ['runc', 'runc'],
  [join(NETWORK_PLUGINS, 'ptp'), 'containernetworking-plugins'],
  ['iptables', 'iptables'],
  ['conntrack', 'conntrack'],
  ['ip', 'iproute2'],
  ['nsenter', 'util-linux'],
  ['unshare', 'util-linux'],
  ['mount', 'mount'],
]

/** Whether nodes can run here. Installs what is missing where it may. @throws Unavailable */
export async function requireNodeMachine(): Promise<void> {
  if (process.platform !== 'linux') throw new Unavailable('needs Linux: nodes are namespaces of its kernel')
  if (process.getuid?.() !== 0) throw new Unavailable('needs root: sudo npm test -- --level nodes')
  const installed = await requirePrograms(NODE_NEEDS)
  // Its package starts a daemon where systemd runs. We use the program only, and leave nothing running.
  if (installed.includes('containerd') && existsSync('/run/systemd/system')) {
    await run(['systemctl', 'disable', '--now', 'containerd'])
  }
}

/**
 * Installs the packages of what is missing, as root.
 *
 * @returns the packages that were installed
 * @throws Unavailable with the command that installs them, where that is not possible
 */
export async function requirePrograms(needs: MachineNeeds): Promise<readonly string[]> {
  const missing = missingPackages(needs)
  if (missing.length === 0) return []
  const install = ['apt-get', 'install', '--yes', '--no-install-recommends', '--no-remove', ...missing]
  if (find('apt-get') === undefined)
    throw new Unavailable(`needs ${missing.join(', ')}; on Debian: ${install.join(' ')}`)
  await stage(`install ${missing.join(', ')}`, async () => {
    const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' }
    for (const command of [['apt-get', 'update'], install]) {
      const { exitCode, stderr } = await run(command, { env, seconds: 600 })
      if (exitCode !== 0) throw new Unavailable(`needs: apt-get update && ${install.join(' ')}\n${stderr}`)
    }
  })
  const still = missingPackages(needs)
  if (still.length > 0) throw new Unavailable(`still missing after their installation: ${still.join(', ')}`)
  return missing
}

function missingPackages(needs: MachineNeeds): readonly string[] {
  const missing = needs.filter(([needed]) => find(needed) === undefined)
  return [...new Set(missing.map(([, fromPackage]) => fromPackage))]
}

function find(program: string): string | undefined {
  const folders = [...(process.env['PATH'] ?? '').split(delimiter), '/usr/sbin', '/sbin']
  const candidates = program.startsWith('/') ? [program] : folders.map((folder) => join(folder, program))
  return candidates.find((candidate) => existsSync(candidate))
}
