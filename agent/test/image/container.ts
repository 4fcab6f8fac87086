import { spawn, type ChildProcessByStdio } from 'node:child_process'
import { chmod, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, dirname, join } from 'node:path'
import type { Readable } from 'node:stream'
import type { ImageLayout, PlatformImage } from '../../../images/layout.ts'
import { run } from '../../../test/cluster/command-line.ts'

/** What a container left when it ended. */
export interface Ended {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

export interface ContainerOptions {
  readonly environment?: Readonly<Record<string, string>>
  /** Run instead of the image's own program. */
  readonly command?: readonly string[]
  /** Path in the container to text. */
  readonly files?: Readonly<Record<string, string>>
  /** Sent SIGTERM when a line of its standard output has this in it. */
  readonly stopAt?: string
}

/** An image unpacked, to run it as the manifests would, by runc alone: without a kubelet that could help. */
export class UnpackedImage {
  readonly #folder: string
  readonly #image: PlatformImage

  private constructor(folder: string, image: PlatformImage) {
    this.#folder = folder
    this.#image = image
  }

  static async unpack(layout: ImageLayout, image: PlatformImage): Promise<UnpackedImage> {
    const folder = await mkdtemp(join(tmpdir(), 'regent-container-'))
    for (const { path, type, mode, content } of await layout.entries(image)) {
      const target = join(folder, 'rootfs', path)
      await mkdir(type === 'folder' ? target : dirname(target), { recursive: true })
      if (type === 'file') await writeFile(target, content)
      await chmod(target, mode)
    }
    return new UnpackedImage(folder, image)
  }

  async remove(): Promise<void> {
    await rm(this.#folder, { recursive: true })
  }

  /** Runs it to its end: user of the image, read-only root, no capability, an own `/tmp`, no network. */
  async run(options: ContainerOptions = {}): Promise<Ended> {
    const { config } = this.#image.configuration
    const [uid = NaN, gid = NaN] = (config.User ?? '').split(':').map(Number)
    const mounted = join(this.#folder, 'files')
    await mkdir(mounted, { recursive: true })
    const files = Object.entries(options.files ?? {})
    for (const [path, text] of files) await writeFile(join(mounted, basename(path)), text)
    const specification = {
      ociVersion: '1.0.2',
      process: {
        user: { uid, gid },
        args: options.command ?? config.Entrypoint,
        env: [...(config.Env ?? []), ...Object.entries(options.environment ?? {}).map((pair) => pair.join('='))],
        cwd: config.WorkingDir,
        capabilities: {},
        noNewPrivileges: true,
      },
      root: { path: 'rootfs', readonly: true },
      mounts: [
        { destination: '/proc', type: 'proc', source: 'proc' },
        { destination: '/dev', type: 'tmpfs', source: 'tmpfs', options: ['nosuid', 'mode=755'] },
        { destination: '/tmp', type: 'tmpfs', source: 'tmpfs', options: [`uid=${uid}`, `gid=${gid}`, 'mode=700'] },
        ...files.map(([path]) => ({
          ...{ destination: path, type: 'bind', options: ['bind', 'ro'] },
          source: join(mounted, basename(path)),
        })),
      ],
      linux: { namespaces: ['pid', 'ipc', 'uts', 'mount', 'network'].map((type) => ({ type })) },
    }
    await writeFile(join(this.#folder, 'config.json'), JSON.stringify(specification))
    const id = basename(this.#folder)
    const runc = ['runc', '--root', join(this.#folder, 'state')]
    const child = spawn('runc', [...runc.slice(1), 'run', '--bundle', this.#folder, id], {
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    try {
      return await ended(child, options.stopAt, () => void run([...runc, 'kill', id, 'TERM']))
    } finally {
      await run([...runc, 'delete', '--force', id])
    }
  }
}

function ended(
  child: ChildProcessByStdio<null, Readable, Readable>,
  stopAt: string | undefined,
  stop: () => void,
): Promise<Ended> {
  return new Promise((resolve, reject) => {
    const out: string[] = []
    const errors: string[] = []
    let stopped = false
    const timer = setTimeout(() => {
      child.kill('SIGKILL')
      reject(new Error(`expected the container to end within 30 s, got:\n${out.join('')}${errors.join('')}`))
    }, 30_000)
    child.stderr.setEncoding('utf8').on('data', (text: string) => errors.push(text))
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      out.push(text)
      if (stopAt === undefined || stopped || !out.join('').includes(stopAt)) return
      stopped = true
      stop()
    })
    child.on('error', reject)
    child.on('close', (code) => {
      clearTimeout(timer)
      resolve({ code: code ?? -1, stdout: out.join(''), stderr: errors.join('') })
    })
  })
}
