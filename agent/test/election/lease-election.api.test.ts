import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals'
import { leaseAnnotations } from '@regent/contract/names.ts'
import { standbys as standbysSchema, type Takeover, takeovers } from '@regent/contract/takeover.ts'
import { apiRequest } from '../../../test/cluster/api-request.ts'
import { createNamespace, deleteNamespace } from '../../../test/cluster/namespace.ts'
import { NotLeading } from '../../src/election/leadership.ts'
import type { LeaseRecord } from '../../src/election/lease-record.ts'
import { electorRules, LeaseObserver, Member, nextLeader } from './lease-election-members.ts'
import { asServiceAccount, type AsServiceAccount } from './real-api-server.ts'

const rbac = 'rbac.authorization.k8s.io'
const kubeSystem = `/apis/${rbac}/v1/namespaces/kube-system`
let namespace = ''
let elector: AsServiceAccount
let group: Group

/** Lets a ServiceAccount know the cluster by its UID, as the manifests of an agent do. */
async function mayKnowCluster(serviceAccount: string): Promise<void> {
  const metadata = { name: `${namespace}-cluster-uid`, namespace: 'kube-system' }
  const rules = [{ apiGroups: [''], resources: ['namespaces'], resourceNames: ['kube-system'], verbs: ['get'] }]
  const subjects = [{ kind: 'ServiceAccount', name: serviceAccount, namespace }]
  const roleRef = { apiGroup: rbac, kind: 'Role', name: metadata.name }
  await apiRequest({ method: 'POST', path: `${kubeSystem}/roles`, body: { metadata, rules } })
  await apiRequest({ method: 'POST', path: `${kubeSystem}/rolebindings`, body: { metadata, roleRef, subjects } })
}

beforeAll(async () => {
  namespace = await createNamespace('lease-election')
  elector = await asServiceAccount(namespace, 'elector', electorRules)
  await mayKnowCluster('elector')
})
afterAll(async () => {
  for (const kind of ['rolebindings', 'roles']) {
    await apiRequest({ method: 'DELETE', path: `${kubeSystem}/${kind}/${namespace}-cluster-uid` })
  }
  elector.remove()
  await deleteNamespace(namespace)
})
afterEach(() => group.close())

/** Three replicas of one agent, one of which leads. */
class Group {
  readonly lease: LeaseObserver
  readonly members: Member[] = []

  constructor(lease: LeaseObserver) {
    this.lease = lease
  }

  static async start(name: string, size = 3): Promise<Group> {
    const named = { name, namespace }
    group = new Group(await LeaseObserver.start(elector.api, named))
    for (let index = 0; index < size; index += 1) group.members.push(await Member.create(elector.api, named, index))
    if (size === 0) return group
    const first = nextLeader(group.members)
    for (const { election } of group.members) election.start()
    const { leadership } = await first
    // Who has not seen the Lease yet would take it as the first one, when a test deletes it.
    await Promise.all(group.members.map((member) => member.until(({ holder }) => holder === leadership.holder)))
    return group
  }

  get leader(): Member {
    const [leader, second] = this.members.filter(({ isWorking }) => isWorking)
    if (!leader || second) throw new Error(`expected exactly one leader, got ${second ? 'two' : 'none'}`)
    return leader
  }

  get standbys(): readonly Member[] {
    return this.members.filter((member) => member !== this.leader)
  }

  /** Waits until the leader says on its Lease that so many standbys are ready. */
  async ready(count: number): Promise<void> {
    await this.lease.first(`${count} standbys that are ready`, ({ annotations }) => {
      const standbys = standbysSchema.parse(JSON.parse(annotations[leaseAnnotations.standbys] ?? '[]'))
      return standbys.filter(({ ready }) => ready).length === count
    })
  }

  async close(): Promise<void> {
    await Promise.all(this.members.map((member) => member.stop()))
    this.lease.close()
  }
}

function epochOf({ reigns }: Member): bigint {
  return reigns.at(-1)?.epoch ?? 0n
}

function takeoversOf({ annotations }: LeaseRecord): readonly Takeover[] {
  return takeovers.parse(JSON.parse(annotations[leaseAnnotations.takeovers] ?? '[]'))
}

/** Waits until the Lease carries an epoch, and returns it. */
function announced(epoch: bigint): Promise<LeaseRecord> {
  return group.lease.first(`epoch ${epoch}`, ({ annotations }) => annotations[leaseAnnotations.epoch] === String(epoch))
}

describe('three replicas of an agent', () => {
  test('have one leader, whose epoch is the version of the write that acquired the Lease, and prepared standbys', async () => {
    const { leader, standbys, members, lease } = await Group.start('first')
    const [leadership] = leader.reigns
    if (!leadership) throw new Error('nobody led')
    expect(() => leadership.assert()).not.toThrow()
    expect(leadership).toMatchObject({ reason: 'first', lineage: expect.stringMatching(/^[0-9a-f-]{36}$/) })

    const record = await announced(leadership.epoch)
    const acquiring = lease.records.find(({ holder }) => holder === leadership.holder)
    expect(acquiring?.version).toBe(leadership.epoch)
    expect(record.annotations).toMatchObject({
      [leaseAnnotations.node]: expect.stringMatching(/^node-/),
      [leaseAnnotations.reason]: 'first',
      [leaseAnnotations.since]: expect.stringMatching(/^\d{4}-.*Z$/),
      [leaseAnnotations.peer]: expect.stringMatching(/^127\.0\.0\.1\d:\d+$/),
    })
    expect(takeoversOf(record)).toMatchObject([{ epoch: String(leadership.epoch), holder: leadership.holder }])
    for (const standby of standbys) {
      await standby.until(({ prepared, holder }) => prepared && holder === leadership.holder)
    }
    expect(members.map(({ prepared }) => prepared)).toEqual([1, 1, 1])
    expect(members.flatMap(({ reigns }) => reigns)).toHaveLength(1)
  })

  test('have another leader when the leader stops, which gives the Lease back', async () => {
    const { leader, standbys, members } = await Group.start('stopped')
    const before = epochOf(leader)
    const [reign] = leader.reigns
    const next = nextLeader(standbys)
    expect(await leader.stop()).toBe(true)
    expect(leader.status.role).toBe('stopped')
    expect(() => reign?.assert()).toThrow(NotLeading)

    const { member, leadership } = await next
    expect(leadership.epoch).toBeGreaterThan(before)
    expect(leadership.reason).toBe('released')
    const record = await announced(leadership.epoch)
    expect(record.transitions).toBe(1)
    expect(record.annotations).not.toHaveProperty([leaseAnnotations.releasedBy])
    expect(takeoversOf(record)).toMatchObject([
      { reason: 'released', holder: leadership.holder, from: reign?.holder },
      { reason: 'first', holder: reign?.holder },
    ])
    expect(members.filter(({ isWorking }) => isWorking)).toEqual([member])
  })

  test('have another leader when a person tells the leader to step down', async () => {
    const { leader, standbys, lease } = await Group.start('step-down')
    await group.ready(2)
    const holder = leader.reigns[0]?.holder ?? ''
    const next = nextLeader(standbys)
    await lease.annotate({ [leaseAnnotations.stepDown]: holder })
    const { leadership } = await next
    expect(leadership.reason).toBe('step-down')
    const { annotations } = await announced(leadership.epoch)
    expect(annotations).not.toHaveProperty([leaseAnnotations.stepDown])
    await leader.until(({ role }) => role === 'standby')
  })

  test('have another leader when a person tells the leader to stand aside, and it stays aside', async () => {
    const { leader, standbys, lease, members } = await Group.start('cordoned')
    await group.ready(2)
    const next = nextLeader(standbys)
    await lease.annotate({ [leaseAnnotations.cordoned]: leader.pod })
    const { member, leadership } = await next
    expect(leadership.reason).toBe('cordoned')
    expect(await leader.until(({ cordoned }) => cordoned)).toMatchObject({ cordoned: true })
    const third = members.filter((other) => other !== leader && other !== member)
    const after = nextLeader([...third, leader])
    await member.stop()
    expect((await after).member).toBe(third[0])
  })

  test('have another leader when the leader yields, but only to one that reaches the control plane', async () => {
    const { leader, standbys, lease } = await Group.start('yielded')
    await group.ready(2)
    leader.election.yield('nobody here reaches it')
    const [one] = standbys
    if (one === undefined) throw new Error('no standby')
    const next = nextLeader(standbys)
    one.election.reach(true)
    await lease.first('a standby that reaches the control plane', ({ annotations }) =>
      (annotations[leaseAnnotations.standbys] ?? '').includes('"reaches":true'),
    )
    expect(leader.status.role).toBe('leading')
    leader.election.yield('one does')
    expect((await next).leadership.reason).toBe('yielded')
  })

  test('know for sure whether they lead when they ask', async () => {
    const { leader, standbys } = await Group.start('verified')
    await expect(leader.election.verify()).resolves.toBe(true)
    for (const standby of standbys) await expect(standby.election.verify()).resolves.toBe(false)
    await leader.stop()
    await expect(leader.election.verify()).resolves.toBe(false)
  })

  test('keep their leader when the Lease is deleted, with a greater epoch and new work', async () => {
    const { leader, standbys, lease } = await Group.start('deleted')
    const before = epochOf(leader)
    const next = nextLeader([leader])
    await lease.remove()
    const { leadership } = await next
    expect(leadership.epoch).toBeGreaterThan(before)
    expect(leadership.reason).toBe('deleted')
    expect(leader.ends).toEqual(['lost'])
    expect(() => leader.reigns[0]?.assert()).toThrow(NotLeading)
    await announced(leadership.epoch)
    expect(standbys.flatMap(({ reigns }) => reigns)).toEqual([])
  })

  test('keep leader and epoch when what people may write in the Lease is garbage', async () => {
    const { leader, lease } = await Group.start('garbage')
    const before = epochOf(leader)
    const { takeovers: key, standbys: other } = leaseAnnotations
    await lease.edit({
      metadata: { annotations: { [key]: '{{{', [other]: '7', [leaseAnnotations.cordoned]: ',,,' } },
      spec: { leaseDurationSeconds: 1, leaseTransitions: 2 ** 31 - 1 },
    })
    const edited = await lease.first('the edit', ({ transitions }) => transitions === 2 ** 31 - 1)
    const isRestored = ({ version, durationMs }: LeaseRecord): boolean =>
      (version ?? 0n) > (edited.version ?? 0n) && durationMs === 6000
    expect(takeoversOf(await lease.first('a renewal', isRestored))).toHaveLength(1)
    expect(leader.reigns.map(({ epoch }) => epoch)).toEqual([before])

    const next = nextLeader(group.standbys)
    await leader.stop()
    expect((await announced((await next).leadership.epoch)).transitions).toBe(2 ** 31 - 1)
  })

  test('have none when the holder is edited away, until it took the Lease again', async () => {
    const { leader, lease } = await Group.start('cleared')
    const before = epochOf(leader)
    const next = nextLeader(group.members)
    await lease.edit({ spec: { holderIdentity: '' } })
    const { member, leadership } = await next
    expect(member).toBe(leader)
    expect(leadership.reason).toBe('cleared')
    expect(leadership.epoch).toBeGreaterThan(before)
  })
})

describe('a replica without permission', () => {
  /** Plays with a replica, of an agent of this name, that may do no more than this with Leases. */
  async function limitedTo(verbs: readonly string[], name: string, play: (member: Member) => Promise<void>) {
    const rules = [{ apiGroups: ['coordination.k8s.io'], resources: ['leases'], verbs }]
    const limited = await asServiceAccount(namespace, name, rules)
    const binding = {
      metadata: { name: `${namespace}-${name}`, namespace: 'kube-system' },
      roleRef: { apiGroup: rbac, kind: 'Role', name: `${namespace}-cluster-uid` },
      subjects: [{ kind: 'ServiceAccount', name, namespace }],
    }
    await apiRequest({ method: 'POST', path: `${kubeSystem}/rolebindings`, body: binding })
    const member = await Member.create(limited.api, { name, namespace }, 5)
    try {
      await play(member)
    } finally {
      await member.stop()
      limited.remove()
      await apiRequest({ method: 'DELETE', path: `${kubeSystem}/rolebindings/${binding.metadata.name}` })
    }
  }

  async function obstacleNaming(member: Member, verb: string): Promise<string> {
    const { obstacle = '' } = await member.until(({ obstacle }) => obstacle?.includes(`'${verb}'`) === true)
    return obstacle
  }

  test.each([
    { verbs: ['watch', 'create', 'update'], verb: 'get' },
    { verbs: ['get', 'watch', 'update'], verb: 'create' },
  ])('to $verb the Lease says the verb and the Role', async ({ verbs, verb }) => {
    await Group.start(`unused-${verb}`, 0)
    const name = `without-${verb}`
    await limitedTo(verbs, name, async (member) => {
      member.election.start()
      expect(await obstacleNaming(member, verb)).toContain(
        `may not ${verb} the Lease ${name} in ${namespace}; the Role ${name} there must allow`,
      )
      expect(member.status.role).not.toBe('leading')
    })
  })

  test('to watch the Lease says so too, and takes over all the same', async () => {
    const name = 'without-watch'
    await Group.start(name, 1)
    await limitedTo(['get', 'create', 'update'], name, async (member) => {
      member.election.start()
      expect(await obstacleNaming(member, 'watch')).toContain(
        `may not watch the Lease ${name} in ${namespace}; the Role ${name} there must allow`,
      )
      const holder = group.leader.reigns[0]?.holder
      await member.until((status) => status.role === 'standby' && status.holder === holder)
      const next = nextLeader([member])
      await group.leader.stop()
      expect((await next).leadership.reason).toBe('released')
    })
  })
})
