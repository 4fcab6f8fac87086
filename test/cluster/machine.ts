import { existsSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { run } from './command-line.ts'
import { stage } from './progress.ts'
import { Unavailable } from './unavailable.ts'

/** Where Debian puts the CNI plugins. */
export const NETWORK_PLUGINS = '/usr/lib/cni'

/** What a node needs of the machine, and the Debian package that has it. Everything else is built. */
const PACKAGES: readonly (readonly [needed: string, fromPackage: string])[] = [
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
  const missing = missingPackages()
  if (missing.length === 0) return
  const install = ['apt-get', 'install', '--yes', '--no-install-recommends', '--no-remove', ...missing]
  if (find('apt-get') === undefined)
    throw new Unavailable(`needs ${missing.join(', ')}; on Debian: ${install.join(' ')}`)
  await stage(`install ${missing.join(', ')}`, async () => {
    const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' }
    for (const command of [['apt-get', 'update'], install]) {
      const { exitCode, stderr } = await run(command, { env, seconds: 600 })
      if (exitCode !== 0) throw new Unavailable(`needs: apt-get update && ${install.join(' ')}\n${stderr}`)
    }
    // Its package starts a daemon where systemd runs. We use the program only, and leave nothing running.
    if (missing.includes('containerd') && existsSync('/run/systemd/system')) {
      await run(['systemctl', 'disable', '--now', 'containerd'])
    }
  })
  const still = missingPackages()
  if (still.length > 0) throw new Unavailable(`still missing after their installation: ${still.join(', ')}`)
}

function missingPackages(): readonly string[] {
  const missing = PACKAGES.filter(([needed]) => find(needed) === undefined)
  return [...new Set(missing.map(([, fromPackage]) => fromPackage))]
}

function find(program: string): string | undefined {
  const folders = [...(process.env['PATH'] ?? '').split(delimiter), '/usr/sbin', '/sbin']
  const candidates = program.startsWith('/') ? [program] : folders.map((folder) => join(folder, program))
  return candidates.find((candidate) => existsSync(candidate))
}
