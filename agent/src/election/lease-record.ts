import { leaseAnnotations } from '@regent/contract/names.ts'
import { isDeepStrictEqual } from 'node:util'

/** Longest duration of a Lease that is believed, in seconds: what the contract lets an agent be configured with. */
const longestDurationSeconds = 600
/** The API counts transitions in 32 bits, and refuses a Lease with more. */
export const mostTransitions = 2 ** 31 - 1

/** A Lease as the API server gave it, with what others wrote kept as it was. */
export interface LeaseRecord {
  /** `undefined` when it is no number: then no epoch can be told from it, and nobody may lead. */
  readonly version: bigint | undefined
  readonly uid: string
  /** '' when nobody holds it. */
  readonly holder: string
  /** `undefined` when it is missing or not credible. */
  readonly durationMs: number | undefined
  readonly acquireTime: string
  readonly renewTime: string
  readonly transitions: number
  readonly annotations: Readonly<Record<string, string>>
  /** The object itself, to be written back with what changes. */
  readonly object: LeaseObject
}

/** As much of a `coordination.k8s.io/v1` Lease as is read here; everything else in it is kept. */
export interface LeaseObject {
  readonly metadata: Readonly<Record<string, unknown>>
  readonly spec: Readonly<Record<string, unknown>>
}

/** The record of an answer, or `undefined` where the answer is no Lease at all. Single fields may be garbage. */
export function parseLease(body: unknown): LeaseRecord | undefined {
  if (!isObject(body) || !isObject(body['metadata'])) return undefined
  const metadata = body['metadata']
  const spec = isObject(body['spec']) ? body['spec'] : {}
  const version = text(metadata['resourceVersion'])
  const duration = spec['leaseDurationSeconds']
  const transitions = spec['leaseTransitions']
  const isCredible = typeof duration === 'number' && duration > 0 && duration <= longestDurationSeconds
  return {
    version: /^[0-9]{1,39}$/.test(version) ? BigInt(version) : undefined,
    uid: text(metadata['uid']),
    holder: text(spec['holderIdentity']),
    durationMs: isCredible ? duration * 1000 : undefined,
    acquireTime: text(spec['acquireTime']),
    renewTime: text(spec['renewTime']),
    transitions: typeof transitions === 'number' && transitions >= 0 ? transitions : 0,
    annotations: texts(metadata['annotations']),
    object: { metadata, spec },
  }
}

/**
 * Whether a holder has shown a sign of life between two records: whether anything of the election itself differs.
 * Annotations are people's and do not count.
 */
export function sameElection(one: LeaseRecord, other: LeaseRecord): boolean {
  const of = ({ uid, holder, durationMs, acquireTime, renewTime, transitions }: LeaseRecord): unknown[] => [
    uid,
    holder,
    durationMs,
    acquireTime,
    renewTime,
    transitions,
  ]
  return isDeepStrictEqual(of(one), of(other))
}

/** What a write changes. Annotations that are `undefined` are removed. */
export interface LeaseChange {
  readonly holder: string
  readonly durationSeconds: number
  readonly renewTime: string
  readonly acquireTime?: string
  readonly transitions?: number
  readonly annotations: Readonly<Record<string, string | undefined>>
}

/** The object of a write: the record with the change; without a record, a new Lease. */
export function changedLease(
  record: LeaseRecord | undefined,
  named: { readonly name: string; readonly namespace: string },
  change: LeaseChange,
): LeaseObject & { readonly apiVersion: string; readonly kind: string } {
  const metadata: Readonly<Record<string, unknown>> = record?.object.metadata ?? { ...named }
  const annotations = Object.entries({ ...record?.annotations, ...change.annotations }).filter(
    ([, value]) => value !== undefined,
  )
  return {
    apiVersion: 'coordination.k8s.io/v1',
    kind: 'Lease',
    // Without managedFields the API server keeps its own; sent back, they would only make the request larger.
    metadata: { ...metadata, managedFields: undefined, annotations: Object.fromEntries(annotations) },
    spec: {
      ...record?.object.spec,
      holderIdentity: change.holder,
      leaseDurationSeconds: change.durationSeconds,
      renewTime: change.renewTime,
      ...(change.acquireTime !== undefined && { acquireTime: change.acquireTime }),
      ...(change.transitions !== undefined && { leaseTransitions: change.transitions }),
    },
  }
}

/**
 * A time as a MicroTime: API servers refuse one without exactly six digits of a second's fraction. The clock says
 * whole milliseconds; the other three digits are the attempt's number, so that two attempts of one process can be told
 * apart even where the clock was set back between them.
 *
 * @param attempt grows with every request; times may repeat after a thousand
 */
export function microTime(wallMs: number, attempt: number): string {
  const upToMilliseconds = new Date(Math.floor(wallMs)).toISOString().slice(0, 23)
  return `${upToMilliseconds}${String(attempt % 1000).padStart(3, '0')}Z`
}

/** Whether the holder gave the Lease back after its work had ended; an empty holder alone may be a hand edit. */
export function isReleased({ holder, annotations }: LeaseRecord): boolean {
  return holder === '' && (annotations[leaseAnnotations.releasedBy] ?? '') !== ''
}

/** Names of the pods that a person told to stand aside. */
export function cordonedPods({ annotations }: LeaseRecord): readonly string[] {
  return (annotations[leaseAnnotations.cordoned] ?? '').split(',').map((name) => name.trim())
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function text(value: unknown): string {
  return typeof value === 'string' ? value : ''
}

function texts(value: unknown): Readonly<Record<string, string>> {
  if (!isObject(value)) return {}
  return Object.fromEntries(
    Object.entries(value).filter((entry): entry is [string, string] => typeof entry[1] === 'string'),
  )
}
