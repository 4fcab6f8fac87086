import { afterAll, beforeEach, describe, expect, test } from '@jest/globals'
import { usedImages } from '../../cli/used-images.ts'
import { dev } from '../../environments/dev.ts'
import { parseEnvironment } from '../../lib/config/parse.ts'
import { ManifestIndex } from '../../lib/output/manifest-index.ts'
import { digestOf, indexType, manifest, RegistryServer } from '../images/registry-server.ts'
import { ProjectCopy, Session } from './program.ts'

describe('images of an environment', () => {
  test('are those of all its containers, each once', () => {
    const { environment } = parseEnvironment(dev)
    if (environment === undefined) throw new Error('expected a valid environment')
    const container = (image: string) => ({ name: image, image })
    const manifest = (kind: string, containers: readonly string[], initContainers: readonly string[] = []) => {
      const pod = { containers: containers.map(container), initContainers: initContainers.map(container) }
      const template = { metadata: { labels: {} }, spec: pod }
      const spec = kind === 'CronJob' ? { jobTemplate: { spec: { template } } } : { template }
      const thing = { apiVersion: 'v1', kind, metadata: { name: 'a', namespace: 'n' }, spec }
      return { manifest: thing, application: '0-core', settingsPath: '' }
    }
    const entries = [
      manifest('Deployment', ['r.example/b:2', 'r.example/x:9'], ['ghcr.io/regent-dev/a:1']),
      manifest('CronJob', ['r.example/b:2']),
    ]
    const index = new ManifestIndex('dev', environment.cluster, entries)
    const lock = { a: { version: '1' }, b: { version: '2', repository: 'r.example/b' }, unused: { version: '3' } }
    expect(usedImages({ name: 'dev', environment, index, problems: [] }, lock)).toEqual([
      { environment: 'dev', name: '', reference: 'r.example/x:9', locked: false },
      { environment: 'dev', name: 'a', reference: 'ghcr.io/regent-dev/a:1', locked: false },
      { environment: 'dev', name: 'b', reference: 'r.example/b:2', locked: false },
    ])
  })
})

describe('images', () => {
  const copy = new ProjectCopy()
  const session = new Session(copy.folder)
  afterAll(() => {
    session.end()
    copy.remove()
  })
  const digest = digestOf('{}')
  beforeEach(() => {
    copy.write(
      'images.lock.json',
      JSON.stringify({
        agent: { version: '1' },
        'control-plane': { version: '2', digest },
        etcd: { repository: 'r.example/etcd', version: '3' },
      }),
    )
  })

  test('lists what each environment runs and whether it is locked', async () => {
    const json = await session.regent('images', '--json')
    expect(json).toMatchObject({ code: 0, stderr: '' })
    const images = JSON.parse(json.stdout) as object[]
    expect(images.slice(0, 3)).toEqual([
      { environment: 'dev', name: 'agent', reference: 'ghcr.io/regent-dev/agent:1', locked: false },
      {
        environment: 'dev',
        name: 'control-plane',
        reference: `ghcr.io/regent-dev/control-plane:2@${digest}`,
        locked: true,
      },
      { environment: 'dev', name: 'etcd', reference: 'r.example/etcd:3', locked: false },
    ])
    expect(images).toHaveLength(9)
  })

  test('--lock writes the digests that the registry gives, and warns if a tag has moved', async () => {
    const body = JSON.stringify({ manifests: [{ platform: { os: 'linux', architecture: 'amd64' } }] })
    const server = await RegistryServer.start({
      '/v2/some/etcd/manifests/3': manifest(body, indexType, digestOf(body)),
    })
    try {
      const repository = `${server.host}/some/etcd`
      const lock = { agent: { version: '1' }, etcd: { repository, version: '3', digest } }
      copy.write('images.lock.json', JSON.stringify(lock))
      const { code, stdout, stderr } = await session.regent('images', '--lock')
      expect({ code, stderr }).toEqual({ code: 0, stderr: `warning: etcd: its tag has moved, it was ${digest}\n` })
      expect(stdout).toMatch(new RegExp(`\netcd +linux/amd64 +${repository}:3@${digestOf(body)}\n$`))
      expect(JSON.parse(copy.read('images.lock.json'))).toEqual({
        ...lock,
        etcd: { ...lock.etcd, digest: digestOf(body) },
      })
    } finally {
      await server.stop()
    }
  })

  test('--lock changes nothing if a registry fails', async () => {
    const server = await RegistryServer.start({})
    try {
      copy.write('images.lock.json', JSON.stringify({ etcd: { repository: `${server.host}/some/etcd`, version: '3' } }))
      const before = copy.read('images.lock.json')
      const { code, stdout, stderr } = await session.regent('images', '--lock', 'etcd')
      expect({ code, stdout }).toEqual({ code: 1, stdout: '' })
      expect(stderr).toBe(
        `error: ${server.host}/some/etcd:3: expected a manifest, got status 404; correct repository or version in images.lock.json: there is no such image (images.lock.json)\nerror: images.lock.json was not changed\n`,
      )
      expect(copy.read('images.lock.json')).toBe(before)
    } finally {
      await server.stop()
    }
  })

  test('--lock refuses images of our own and unknown ones by name', async () => {
    const { code, stdout, stderr } = await session.regent('images', '--lock', 'agent', 'etcdd')
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' })
    expect(stderr).toBe(
      "error: 'agent' is an image of our own: its build writes its digest; unknown image 'etcdd', did you mean 'etcd'?; can be locked: etcd\n",
    )
  })

  test('the lock must know what the environments run', async () => {
    copy.write('images.lock.json', JSON.stringify({ agent: { version: '1' }, 'control-plane': { version: '2' } }))
    expect(await session.regent('images')).toEqual({
      code: 1,
      stdout: '',
      stderr:
        'error: images.lock.json.etcd: expected an entry with the version of this image, got nothing; add it; there are agent, control-plane (images.lock.json)\n',
    })
  })
})
