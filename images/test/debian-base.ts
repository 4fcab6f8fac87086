import { createHash } from 'node:crypto'
import { mkdir, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { cached } from '../../test/cluster/cache.ts'
import { mustRun } from '../../test/cluster/command-line.ts'
import { requirePrograms } from '../../test/cluster/machine.ts'
import { stage } from '../../test/cluster/progress.ts'
import { type Architecture, architectures, machineArchitecture } from '../platform.ts'

const suite = 'bookworm'
const mirror = 'http://deb.debian.org/debian'
/** What the image takes of its base. */
const packages = ['base-files', 'gcc-12-base', 'libc6', 'libgcc-s1', 'libstdc++6']
const leftOut = [
  './dev/*',
  './proc/*',
  './var/cache/*',
  './var/lib/apt/lists/*',
  './usr/share/locale/*',
  './usr/share/man/*',
]

/**
 * What the public Debian image is to the Dockerfile, made from Debian's archive because no registry can be reached: for
 * this machine's architecture a Debian with a shell, by debootstrap; for the other one the packages that the image
 * takes files of. Made once, kept in the cache.
 *
 * @param folder gets a link to it: buildah makes a name of the path, which a folder such as `.cache` cannot be part of
 * @returns the reference that a Dockerfile starts from
 * @throws Unavailable where it cannot be made
 */
export async function debianBase(folder: string): Promise<string> {
  await requirePrograms([
    ['buildah', 'buildah'],
    ['debootstrap', 'debootstrap'],
  ])
  const recipe = JSON.stringify([suite, packages, leftOut, machineArchitecture(), 1])
  const key = `debian-base-${createHash('sha256').update(recipe).digest('hex').slice(0, 16)}`
  const made = await cached(key, (draft) => stage('make a Debian base (once)', () => make(draft)))
  const link = join(folder, 'debian-base')
  await rm(link, { force: true })
  await symlink(made, link)
  return `oci:${link}:base`
}

async function make(folder: string): Promise<void> {
  await mkdir(join(folder, 'blobs/sha256'), { recursive: true })
  const native = machineArchitecture()
  const manifests = []
  for (const architecture of architectures) {
    const root = join(folder, architecture)
    await mkdir(root)
    if (architecture === native) await bootstrap(root)
    else await unpackPackages(root, architecture, join(folder, 'apt'))
    manifests.push({ ...(await image(folder, root, architecture)), platform: { os: 'linux', architecture } })
    await rm(root, { recursive: true })
  }
  await rm(join(folder, 'apt'), { recursive: true })
  const index = await addJson(folder, 'index', { manifests })
  const annotations = { 'org.opencontainers.image.ref.name': 'base' }
  await writeFile(
    join(folder, 'index.json'),
    JSON.stringify({ schemaVersion: 2, manifests: [{ ...index, annotations }] }),
  )
  await writeFile(join(folder, 'oci-layout'), JSON.stringify({ imageLayoutVersion: '1.0.0' }))
}

async function bootstrap(root: string): Promise<void> {
  await mustRun(['debootstrap', '--variant=minbase', suite, root, mirror], { seconds: 600 })
}

/** Packages of a foreign architecture, by an apt that knows nothing of this machine's packages. */
async function unpackPackages(root: string, architecture: Architecture, apt: string): Promise<void> {
  await mkdir(join(apt, 'lists/partial'), { recursive: true })
  const keys = '/usr/share/keyrings/debian-archive-keyring.gpg'
  await writeFile(join(apt, 'sources.list'), `deb [signed-by=${keys}] ${mirror} ${suite} main\n`)
  await writeFile(join(apt, 'status'), '')
  const settings = {
    'APT::Architecture': architecture,
    'APT::Sandbox::User': 'root',
    'Acquire::Languages': 'none',
    'Dir::Cache': apt,
    'Dir::Etc::sourcelist': join(apt, 'sources.list'),
    'Dir::Etc::sourceparts': '-',
    'Dir::State': apt,
    'Dir::State::status': join(apt, 'status'),
  }
  const lines = Object.entries(settings).map(([name, value]) => `${name} "${value}";\n`)
  const configuration = join(apt, 'apt.conf')
  await writeFile(configuration, `${lines.join('')}APT::Architectures { "${architecture}"; };\n`)
  const options = { cwd: apt, env: { ...process.env, APT_CONFIG: configuration }, seconds: 300 }
  await mustRun(['apt-get', 'update'], options)
  await mustRun(['apt-get', 'download', ...packages], options)
  const archives = (await readdir(apt)).filter((file) => file.endsWith('.deb')).sort()
  const paragraphs = []
  for (const archive of archives) {
    await mustRun(['dpkg', '-x', join(apt, archive), root])
    paragraphs.push(await mustRun(['dpkg-deb', '--field', join(apt, archive)]))
  }
  await writeFile(join(root, 'var/lib/dpkg/status'), paragraphs.join('\n'))
}

async function image(folder: string, root: string, architecture: Architecture) {
  const file = join(folder, 'layer.tar')
  const without = leftOut.map((pattern) => `--exclude=${pattern}`)
  await mustRun(['tar', '--sort=name', '--mtime=@0', '--numeric-owner', ...without, '-C', root, '-cf', file, '.'])
  const layer = await add(folder, 'layer.v1.tar', await readFile(file))
  await rm(file)
  const configuration = await addJson(folder, 'config', {
    architecture,
    os: 'linux',
    config: { Env: ['PATH=/usr/sbin:/usr/bin:/sbin:/bin'] },
    rootfs: { type: 'layers', diff_ids: [layer.digest] },
    history: [{ created_by: 'packages of Debian' }],
  })
  return addJson(folder, 'manifest', { config: configuration, layers: [layer] })
}

function addJson(folder: string, kind: 'index' | 'config' | 'manifest', content: object) {
  const type = `${kind}.v1+json`
  const versioned = kind === 'config' ? content : { schemaVersion: 2, mediaType: mediaType(type), ...content }
  return add(folder, type, Buffer.from(JSON.stringify(versioned)))
}

async function add(folder: string, type: string, content: Buffer) {
  const hash = createHash('sha256').update(content).digest('hex')
  await writeFile(join(folder, 'blobs/sha256', hash), content)
  return { mediaType: mediaType(type), digest: `sha256:${hash}`, size: content.length }
}

function mediaType(type: string): string {
  return `application/vnd.oci.image.${type}`
}
