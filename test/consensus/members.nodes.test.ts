import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { controlPlaneImage } from '../../control-plane/image/declaration.ts'
import { dev } from '../../environments/dev.ts'
import { local } from '../../environments/local.ts'
import { machineArchitecture } from '../../images/platform.ts'
import { builtImage } from '../../images/test/built-image.ts'
import type { EnvironmentPart, Layer } from '../../lib/config/layer.ts'
import { etcdImage, importArchive, importImage } from '../cluster/images.ts'
import { kubectlJson, mustKubectl } from '../cluster/kubectl.ts'
import {
  cutNetwork,
  drain,
  evict,
  nodeNamed,
  restoreNetwork,
  uncordon,
  waitForNode,
} from '../cluster/node-operations.ts'
import { cluster } from '../cluster/state.ts'
import { waitFor } from '../cluster/wait-for.ts'
import {
  applyFolder,
  clearEnvironments,
  forCluster,
  removeEnvironments,
  rendered,
  withFolder,
} from '../delivery/environment.ts'
import {
  countedMembers,
  createTlsSecrets,
  etcdctl,
  killPod,
  type Member,
  members,
  put,
  readyMembers,
} from './members.ts'

const namespace = 'regent-system'

beforeAll(async () => {
  await importImage(cluster(), await etcdImage('gcr.io/etcd-development/etcd:v3.6.16'))
  await removeEnvironments()
})
afterAll(removeEnvironments)

async function applied(layer: Layer, part: EnvironmentPart = {}): Promise<void> {
  await withFolder(rendered(forCluster(layer, { cluster: { nodes: cluster().nodes.length }, ...part })), applyFolder)
}

function first(found: readonly Member[]): Member {
  const [member] = found
  if (member === undefined) throw new Error('no member')
  return member
}

/** Another member than the one that is about to suffer. */
function other(found: readonly Member[], than: Member): Member {
  return first(found.filter(({ name }) => name !== than.name))
}

function placed({ node, name }: Member) {
  if (node === undefined) throw new Error(`${name} is on no node`)
  return nodeNamed(node)
}

describe('one member', () => {
  beforeAll(() => applied(dev))
  afterAll(clearEnvironments)

  test('bootstraps from nothing, and finds its data again after it was killed', async () => {
    const [member] = await readyMembers(1)
    await etcdctl('regent-consensus-0', ['put', 'kept', 'yes'])
    await killPod('regent-consensus-0')
    await waitFor('another pod', async () => (await members()).some(({ uid }) => uid !== member?.uid))
    await readyMembers(1)
    expect(await etcdctl('regent-consensus-0', ['get', 'kept', '--print-value-only'])).toBe('yes')
  })

  test('does not hold up a drain of its node', async () => {
    const node = placed(first(await readyMembers(1)))
    const { exitCode, stderr } = await drain(node)
    expect([exitCode, stderr.includes('error')]).toEqual([0, false])
    await uncordon(node)
    await readyMembers(1)
  })
})

describe('three members', () => {
  let bootstrapped: readonly Member[] = []
  beforeAll(async () => {
    await applied(local)
    bootstrapped = await readyMembers(3)
    await etcdctl('regent-consensus-0', ['put', 'kept', 'yes'])
  })
  afterAll(clearEnvironments)

  test('bootstrap from nothing at the same time, each on a host of its own', async () => {
    expect(new Set(bootstrapped.map(({ node }) => node)).size).toBe(3)
    expect(await countedMembers('regent-consensus-0')).toBe(3)
  })

  test('go on writing when one of them is killed, which comes back to its data', async () => {
    const found = await readyMembers(3)
    const victim = first(found)
    await killPod(victim.name)
    await put(other(found, victim).name, 'during', 'the loss')
    await readyMembers(3)
    expect(await etcdctl(victim.name, ['get', 'during', '--print-value-only'])).toBe('the loss')
  })

  test('are not evicted beyond their quorum', async () => {
    const found = await readyMembers(3)
    const [one, two] = found
    await waitFor('a budget that knows all three', async () => {
      const { status } = await kubectlJson<{ status: { disruptionsAllowed?: number } }>([
        'get',
        'pdb/regent-consensus',
        '-n',
        namespace,
      ])
      return status.disruptionsAllowed === 1
    })
    expect(await evict(namespace, one?.name ?? '')).toBe(201)
    expect(await evict(namespace, two?.name ?? '')).toBe(429)
    await waitFor('another pod', async () =>
      (await members()).some(({ name, uid }) => name === one?.name && uid !== one.uid),
    )
    await readyMembers(3)
  })

  test('keep a quorum while a node is drained, and the drain ends', async () => {
    const found = await readyMembers(3)
    const victim = first(found)
    const node = placed(victim)
    let fewest = 3
    const drained = drain(node)
    const watched = waitFor(
      'the end of the drain',
      async () => {
        fewest = Math.min(fewest, (await members()).filter(({ ready }) => ready).length)
        return Promise.race([
          drained.then(() => true),
          new Promise<false>((resolve) => setImmediate(() => resolve(false))),
        ])
      },
      { seconds: 130 },
    )
    await watched
    expect((await drained).exitCode).toBe(0)
    expect(fewest).toBeGreaterThanOrEqual(2)
    await put(other(found, victim).name, 'during', 'the drain')
    // Its volume is a disk of the node, so the member waits for the node.
    await uncordon(node)
    await readyMembers(3)
  })

  test('keep their data over a rolling restart, and never lose their quorum meanwhile', async () => {
    const before = await readyMembers(3)
    await mustKubectl(['rollout', 'restart', 'statefulset/regent-consensus', '-n', namespace])
    let fewest = 3
    await waitFor(
      'three other pods',
      async () => {
        const found = await members()
        fewest = Math.min(fewest, found.filter(({ ready }) => ready).length)
        const old = new Set(before.map(({ uid }) => uid))
        return found.length === 3 && found.every(({ uid, ready }) => ready && !old.has(uid))
      },
      { seconds: 180, everyMilliseconds: 500 },
    )
    expect(fewest).toBeGreaterThanOrEqual(2)
    for (const { name } of before) {
      expect(await etcdctl(name, ['get', 'kept', '--print-value-only'])).toBe('yes')
    }
  })

  test('go on writing when a node is lost, and are three again when it is back', async () => {
    const found = await readyMembers(3)
    const victim = first(found)
    const node = placed(victim)
    await cutNetwork(node)
    try {
      await waitForNode(node, 'Ready=Unknown')
      await put(other(found, victim).name, 'during', 'the cut')
    } finally {
      await restoreNetwork(node)
    }
    await waitForNode(node, 'Ready=True')
    await readyMembers(3)
    // The kubelet first reports what it knew before the cut, so Ready alone does not mean caught up.
    await waitFor('the member to catch up', async () => {
      return (await etcdctl(victim.name, ['get', 'during', '--print-value-only'])) === 'the cut'
    })
  })
})

describe('five members', () => {
  beforeAll(() => applied(local, { consensus: { members: 5 } }))
  afterAll(clearEnvironments)

  test('bootstrap at the same time and go on writing without two of them', async () => {
    const found = await readyMembers(5)
    expect(new Set(found.map(({ node }) => node)).size).toBe(5)
    expect(await countedMembers('regent-consensus-4')).toBe(5)
    await killPod('regent-consensus-0')
    await killPod('regent-consensus-1')
    await put('regent-consensus-2', 'during', 'the loss of two')
    await readyMembers(5)
    expect(await etcdctl('regent-consensus-0', ['get', 'during', '--print-value-only'])).toBe('the loss of two')
  })
})

describe('members with TLS', () => {
  const tls = {
    peerSecretName: 'regent-consensus-peer-tls',
    serverSecretName: 'regent-consensus-server-tls',
    clientSecretName: 'regent-consensus-client-tls',
    rootSecretName: 'regent-consensus-root-tls',
  }
  beforeAll(async () => {
    const { archive } = await builtImage(controlPlaneImage, [machineArchitecture()])
    await Promise.all(cluster().nodes.map((node) => importArchive(node, archive)))
    await applied(local, { consensus: { tls } })
    await createTlsSecrets(3)
  }, 900_000)
  afterAll(clearEnvironments)

  async function available(name: string): Promise<void> {
    try {
      await mustKubectl(['rollout', 'status', `deployment/${name}`, '-n', namespace, '--timeout=170s'], {
        seconds: 180,
      })
    } catch (error) {
      const said = await mustKubectl(['logs', '-n', namespace, `deployment/${name}`, '--tail=20']).catch(String)
      throw new Error(`${name} did not become ready; it says:\n${said}`, { cause: error })
    }
  }

  test('bootstrap once their certificates are there, and serve nobody without one', async () => {
    await readyMembers(3)
    expect(await countedMembers('regent-consensus-0', true)).toBe(3)
    await expect(etcdctl('regent-consensus-0', ['get', 'over'])).rejects.toThrow(/deadline exceeded|connection|EOF/)
  })

  test('know their users as soon as the program is ready that keeps them, and only those: the control plane works', async () => {
    await available('regent-consensus-access')
    // The certificate of the members themselves is of the same authority, and of nobody who may do anything.
    await expect(etcdctl('regent-consensus-1', ['put', 'over', 'TLS'], true)).rejects.toThrow('permission denied')
    await expect(etcdctl('regent-consensus-2', ['auth', 'status'], true)).rejects.toThrow('user name not found')
    await available('regent-control-plane')
  })

  test('stay ready and keep their users when one is killed', async () => {
    const [victim] = await readyMembers(3)
    await killPod('regent-consensus-0')
    await waitFor('another pod', async () =>
      (await members()).some(({ name, uid }) => name === victim?.name && uid !== victim.uid),
    )
    await readyMembers(3)
    await expect(etcdctl('regent-consensus-0', ['get', 'over'], true)).rejects.toThrow('permission denied')
    await available('regent-control-plane')
  })
})
