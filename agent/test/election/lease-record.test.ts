import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { leaseAnnotations } from '@regent/contract/names.ts'
import {
  changedLease,
  cordonedPods,
  isReleased,
  type LeaseChange,
  microTime,
  parseLease,
  sameElection,
} from '../../src/election/lease-record.ts'

const object = {
  apiVersion: 'coordination.k8s.io/v1',
  kind: 'Lease',
  metadata: {
    name: 'regent-agent-a',
    namespace: 'regent-system',
    uid: 'uid-1',
    resourceVersion: '42',
    creationTimestamp: '2026-01-02T03:04:05Z',
    labels: { 'somebody.example/label': 'kept' },
    managedFields: [{ manager: 'somebody' }],
    annotations: { 'somebody.example/note': 'kept', [leaseAnnotations.stepDown]: 'pod_uid_boot' },
  },
  spec: {
    holderIdentity: 'pod_uid_boot',
    leaseDurationSeconds: 6,
    acquireTime: '2026-01-02T03:04:05.000001Z',
    renewTime: '2026-01-02T03:04:06.000002Z',
    leaseTransitions: 3,
    preferredHolder: 'kept',
  },
}

function parsed(change: { readonly metadata?: object; readonly spec?: object } = {}) {
  const record = parseLease({
    metadata: { ...object.metadata, ...change.metadata },
    spec: { ...object.spec, ...change.spec },
  })
  if (!record) throw new Error('expected a record')
  return record
}

describe('the record of a Lease', () => {
  test('is what the election needs of it', () => {
    expect(parsed()).toMatchObject({
      version: 42n,
      uid: 'uid-1',
      holder: 'pod_uid_boot',
      durationMs: 6000,
      acquireTime: object.spec.acquireTime,
      renewTime: object.spec.renewTime,
      transitions: 3,
      annotations: object.metadata.annotations,
    })
  })

  test.each([undefined, null, 7, 'Lease', [], {}, { metadata: [] }, { metadata: null, spec: {} }])(
    'is none for %j',
    (body) => {
      expect(parseLease(body)).toBeUndefined()
    },
  )

  test('of an empty object has no version, no holder and no duration', () => {
    expect(parseLease({ metadata: {} })).toMatchObject({
      version: undefined,
      uid: '',
      holder: '',
      durationMs: undefined,
      transitions: 0,
      annotations: {},
    })
  })

  test.each(['abc', '', ' 42', '42 ', '-1', '4.2', '1e3', '0x2a', '٤٢', '9'.repeat(40), 42, null, {}])(
    'has no version where the resourceVersion is %j',
    (resourceVersion) => {
      expect(parsed({ metadata: { resourceVersion } }).version).toBeUndefined()
    },
  )

  test('has versions beyond what a number holds', () => {
    expect(parsed({ metadata: { resourceVersion: '9007199254740993' } }).version).toBe(9007199254740993n)
  })

  test.each([0, -1, 601, 1e9, Number.NaN, Infinity, '6', null, undefined, {}])(
    'has no duration where it is %p',
    (leaseDurationSeconds) => {
      expect(parsed({ spec: { leaseDurationSeconds } }).durationMs).toBeUndefined()
    },
  )

  test.each([-1, Number.NaN, '3', null, undefined, {}])(
    'counts no transitions where they are %p',
    (leaseTransitions) => {
      expect(parsed({ spec: { leaseTransitions } }).transitions).toBe(0)
    },
  )

  test('never throws, whatever came, and what it gives can be written back', () => {
    const body = fc.record({
      metadata: fc.dictionary(
        fc.constantFrom('name', 'uid', 'resourceVersion', 'annotations', 'managedFields'),
        fc.jsonValue(),
      ),
      spec: fc.option(
        fc.dictionary(
          fc.constantFrom('holderIdentity', 'leaseDurationSeconds', 'renewTime', 'acquireTime', 'leaseTransitions'),
          fc.jsonValue(),
        ),
      ),
    })
    fc.assert(
      fc.property(fc.oneof(body, fc.jsonValue()), (value) => {
        const record = parseLease(value)
        if (!record) return
        expect(typeof record.holder).toBe('string')
        expect(record.durationMs === undefined || (record.durationMs > 0 && record.durationMs <= 600_000)).toBe(true)
        expect(Object.values(record.annotations).every((text) => typeof text === 'string')).toBe(true)
        const lease = changedLease(record, { name: 'a', namespace: 'b' }, change)
        expect(lease.spec).toMatchObject({ holderIdentity: 'me', leaseDurationSeconds: 6 })
      }),
    )
  })
})

const change: LeaseChange = {
  holder: 'me',
  durationSeconds: 6,
  renewTime: '2026-01-02T03:04:07.000000Z',
  annotations: {},
}
const named = { name: 'regent-agent-a', namespace: 'regent-system' }

describe('a write', () => {
  test('keeps what it does not know, and the version that it was decided on', () => {
    const lease = changedLease(parsed(), named, change)
    expect(lease.metadata).toMatchObject({
      uid: 'uid-1',
      resourceVersion: '42',
      labels: object.metadata.labels,
      annotations: object.metadata.annotations,
    })
    expect(lease.spec).toEqual({
      ...object.spec,
      holderIdentity: 'me',
      leaseDurationSeconds: 6,
      renewTime: change.renewTime,
    })
    expect(JSON.parse(JSON.stringify(lease))).not.toHaveProperty('metadata.managedFields')
  })

  test('removes the annotations that are to be undefined, and adds the others', () => {
    const annotations = { [leaseAnnotations.stepDown]: undefined, [leaseAnnotations.epoch]: '7' }
    const lease = changedLease(parsed(), named, { ...change, annotations })
    expect(lease.metadata['annotations']).toEqual({ 'somebody.example/note': 'kept', [leaseAnnotations.epoch]: '7' })
  })

  test('changes transitions and the time of acquisition only where it acquires', () => {
    const lease = changedLease(parsed(), named, { ...change, acquireTime: change.renewTime, transitions: 4 })
    expect(lease.spec).toMatchObject({ acquireTime: change.renewTime, leaseTransitions: 4 })
  })

  test('without a record is a new Lease of the name', () => {
    expect(JSON.parse(JSON.stringify(changedLease(undefined, named, change)))).toEqual({
      apiVersion: 'coordination.k8s.io/v1',
      kind: 'Lease',
      metadata: { ...named, annotations: {} },
      spec: { holderIdentity: 'me', leaseDurationSeconds: 6, renewTime: change.renewTime },
    })
  })
})

describe('a MicroTime', () => {
  const moments = fc.double({ min: 0, max: Date.UTC(9999, 11, 31), noNaN: true })

  test('has exactly six digits of a second’s fraction, and is the moment down to the millisecond', () => {
    fc.assert(
      fc.property(moments, fc.nat(), (wallMs, attempt) => {
        const text = microTime(wallMs, attempt)
        expect(text).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/)
        expect(Date.parse(text)).toBe(Math.floor(wallMs))
      }),
    )
  })

  test('of two attempts is never the same, whatever the clock does between them', () => {
    fc.assert(
      fc.property(moments, moments, fc.nat(), fc.integer({ min: 1, max: 999 }), (one, other, attempt, later) => {
        expect(microTime(one, attempt)).not.toBe(microTime(other, attempt + later))
        expect(microTime(one, attempt)).not.toBe(microTime(one, attempt + later))
      }),
    )
  })
})

describe('a sign of life', () => {
  test.each([
    { uid: 'uid-2' },
    { holder: 'somebody' },
    { durationMs: 7000 },
    { renewTime: 'later' },
    { acquireTime: 'later' },
    { transitions: 4 },
  ])('is %j', (difference) => {
    expect(sameElection(parsed(), { ...parsed(), ...difference })).toBe(false)
  })

  test('is neither a new version nor an annotation alone', () => {
    expect(sameElection(parsed(), { ...parsed(), version: 43n, annotations: { note: 'new' } })).toBe(true)
  })
})

describe('what people and former holders write', () => {
  test('is a release only with an empty holder and the name of who gave it back', () => {
    const releasedBy = { [leaseAnnotations.releasedBy]: 'pod_uid_boot' }
    const of = (holderIdentity: string, annotations: object): boolean =>
      isReleased(parsed({ metadata: { annotations }, spec: { holderIdentity } }))
    expect(of('', releasedBy)).toBe(true)
    expect(of('', {})).toBe(false)
    expect(of('', { [leaseAnnotations.releasedBy]: '' })).toBe(false)
    expect(of('somebody', releasedBy)).toBe(false)
  })

  test('names pods that stand aside, with and without spaces', () => {
    const annotations = { [leaseAnnotations.cordoned]: ' pod-a,pod-b , pod-c' }
    expect(cordonedPods(parsed({ metadata: { annotations } }))).toEqual(['pod-a', 'pod-b', 'pod-c'])
    expect(cordonedPods(parsed())).not.toContain('pod-a')
  })
})
