import { describe, expect, test } from '@jest/globals'
import { isTerminated, newestTemplateHash, ownContainer, parsePod, type Pod } from '../../src/election/pods.ts'

const second = 1000
const noon = Date.parse('2026-01-02T12:00:00Z')

function podOf(object: { readonly metadata?: object; readonly status?: object }): Pod {
  const metadata = { uid: 'u1', name: 'p1', creationTimestamp: '2026-01-02T12:00:00Z', ...object.metadata }
  const pod = parsePod({ ...object, metadata })
  if (pod === undefined) throw new Error('no pod')
  return pod
}

/** A pod of which the kubelet reported this of the agent's container. */
function reported(status: object, metadata: object = {}): Pod {
  const sidecar = {
    name: 'other',
    containerID: 'containerd://other',
    state: { terminated: ended('containerd://other') },
  }
  return podOf({ metadata, status: { containerStatuses: [sidecar, { name: 'agent', ...status }] } })
}

function ended(containerID: string, more: object = {}): object {
  return { containerID, exitCode: 137, reason: 'OOMKilled', ...more }
}

const one = 'containerd://one'
const two = 'containerd://two'

describe('a pod', () => {
  test.each([
    undefined,
    null,
    'text',
    {},
    { metadata: {} },
    { metadata: { uid: 'u', name: 'p', creationTimestamp: 'x' } },
  ])('is not read from %j', (object) => {
    expect(parsePod(object)).toBeUndefined()
  })

  test('is known without any report of the kubelet', () => {
    expect(podOf({}).container).toBeUndefined()
    expect(podOf({ status: { containerStatuses: 'garbage' } }).container).toBeUndefined()
    expect(podOf({ status: { containerStatuses: [null, 7] } }).container).toBeUndefined()
  })
})

describe('a container is terminated', () => {
  test('when the kubelet says so of it, now or before its successor', () => {
    const now = reported({ containerID: one, state: { terminated: ended(one) } })
    expect(isTerminated([now], 'u1', one)).toBe(true)
    const before = reported({
      containerID: two,
      state: { running: { startedAt: '2026-01-02T12:00:01Z' } },
      lastState: { terminated: ended(one) },
    })
    expect(isTerminated([podOf({ metadata: { uid: 'u0' } }), before], 'u1', one)).toBe(true)
    expect(isTerminated([before], 'u1', two)).toBe(false)
  })

  const others: readonly (readonly [string, Pod])[] = [
    ['another container of the pod ended', reported({ state: { terminated: ended(two) } })],
    ['the same container of another pod ended', reported({ state: { terminated: ended(one) } }, { uid: 'u2' })],
    ['the container of a sidecar ended', reported({ containerID: one, state: { running: {} } })],
    ['the pod failed', podOf({ status: { phase: 'Failed', reason: 'Evicted' } })],
    ['the pod is being deleted', reported({ containerID: one }, { deletionTimestamp: '2026-01-02T12:00:00Z' })],
    ['the node is lost', podOf({ status: { phase: 'Running', conditions: [{ type: 'Ready', status: 'False' }] } })],
    ['it waits', reported({ containerID: one, state: { waiting: { reason: 'CrashLoopBackOff' } } })],
    [
      'the kubelet lost sight of it',
      reported({ containerID: one, state: { terminated: ended(one, { reason: 'ContainerStatusUnknown' }) } }),
    ],
    ['an end is reported of nobody', reported({ containerID: one, state: { terminated: { exitCode: 1 } } })],
  ]
  test.each(others)('but not when %s', (_, pod) => {
    expect(isTerminated([pod], 'u1', one)).toBe(false)
  })

  test('but not when the pod is gone, or nobody knows which container it is', () => {
    const pod = reported({ containerID: '', state: { terminated: ended('') } })
    expect(isTerminated([], 'u1', one)).toBe(false)
    expect(isTerminated([pod], 'u1', '')).toBe(false)
  })
})

describe('the revision that a rollout moves to', () => {
  const made = (uid: string, at: number, hash: string | undefined, more: object = {}): Pod =>
    podOf({
      metadata: {
        uid,
        creationTimestamp: new Date(noon + at * second).toISOString(),
        ...(hash !== undefined && { labels: { 'pod-template-hash': hash } }),
        ...more,
      },
    })

  test('is that of the newest pod', () => {
    expect(newestTemplateHash([made('a', 0, 'old'), made('b', 5, 'new'), made('c', 1, 'old')])).toBe('new')
  })

  test('is not that of a pod that is deleted, or of one that nobody made a revision for', () => {
    const deleted = made('b', 5, 'new', { deletionTimestamp: '2026-01-02T12:00:09Z' })
    expect(newestTemplateHash([made('a', 0, 'old'), deleted, made('c', 9, undefined)])).toBe('old')
  })

  test('is the same for every replica when pods are of the same second', () => {
    const pods = [made('a', 5, 'one'), made('b', 5, 'two'), made('c', 5, 'three')]
    expect(newestTemplateHash(pods)).toBe('three')
    expect(newestTemplateHash(pods.toReversed())).toBe('three')
  })

  test('is unknown without a pod', () => {
    expect(newestTemplateHash([])).toBeUndefined()
  })
})

describe('the container of this process', () => {
  const running = (startedAt: string): object => ({ running: { startedAt } })
  const noonText = '2026-01-02T12:00:00Z'

  test.each([0, 0.4, 1.5, 3])('is the one that began %d s before it', (ahead) => {
    const pod = reported({ containerID: one, state: running(noonText) })
    expect(ownContainer([pod], 'u1', noon + ahead * second)).toBe(one)
  })

  test.each([3.001, 60, -1.5])('is not one that began %d s before it', (ahead) => {
    const pod = reported({ containerID: one, state: running(noonText) })
    expect(ownContainer([pod], 'u1', noon + ahead * second)).toBeUndefined()
  })

  test('is not the one that is still reported as running after a quick restart', () => {
    // The process before began at 12:00:00.2 and crashed at once; ours began at 12:00:02.
    const stale = reported({ containerID: one, state: running(noonText) })
    expect(ownContainer([stale], 'u1', noon + 2 * second, noon + 0.2 * second)).toBeUndefined()
    const fresh = reported({
      containerID: two,
      state: running('2026-01-02T12:00:01Z'),
      lastState: { terminated: ended(one) },
    })
    expect(ownContainer([fresh], 'u1', noon + 2 * second, noon + 0.2 * second)).toBe(two)
  })

  const uncertain: readonly (readonly [string, Pod])[] = [
    ['of another pod', reported({ containerID: one, state: running(noonText) }, { uid: 'u2' })],
    ['that waits', reported({ containerID: one, state: { waiting: {} } })],
    ['that ended', reported({ containerID: one, state: { terminated: ended(one) } })],
    ['without an ID', reported({ state: running(noonText) })],
    ['with an empty ID', reported({ containerID: '', state: running(noonText) })],
    [
      'that is also the one before',
      reported({ containerID: one, state: running(noonText), lastState: { terminated: ended(one) } }),
    ],
    ['that began at no time', reported({ containerID: one, state: running('garbage') })],
    ['that nobody reported', podOf({})],
  ]
  test.each(uncertain)('is not one %s', (_, pod) => {
    expect(ownContainer([pod], 'u1', noon)).toBeUndefined()
  })
})
