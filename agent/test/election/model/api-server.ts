import type { LeaseObject } from '../../../src/election/lease-record.ts'

/** What the simulated API server answers. */
export type Reply =
  { readonly status: 200; readonly lease: LeaseObject } | { readonly status: 404 | 409 } | { readonly status: 503 }

/**
 * As strict as the real one where the election depends on it: one counter of versions for everything, a write only
 * with the version that is the newest, a create only where nothing is, MicroTimes with six digits.
 */
export class ModelApiServer {
  version = 100
  /** How many requests it was sent, reads and writes. */
  requests = 0
  /** When the Lease was deleted last. */
  removedAtMs = -Infinity
  lease: LeaseObject | undefined
  /** Every change of the holder: who, and the version of the write. */
  readonly acquisitions: { readonly holder: string; readonly version: number; readonly atMs: number }[] = []
  readonly #onChange: (lease: LeaseObject | undefined, version: number) => void
  readonly #now: () => number
  #uids = 0

  constructor(now: () => number, onChange: (lease: LeaseObject | undefined, version: number) => void) {
    this.#now = now
    this.#onChange = onChange
  }

  get holder(): string {
    const holder = this.lease?.spec['holderIdentity']
    return typeof holder === 'string' ? holder : ''
  }

  read(): Reply {
    this.requests += 1
    return this.lease ? { status: 200, lease: this.lease } : { status: 404 }
  }

  write(method: 'create' | 'update', lease: LeaseObject): Reply {
    this.requests += 1
    const { metadata, spec } = lease
    for (const time of [spec['renewTime'], spec['acquireTime']]) {
      const isMicroTime = typeof time === 'string' && /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/.test(time)
      if (time !== undefined && !isMicroTime) throw new Error('the API server refuses a time that is no MicroTime')
    }
    if (method === 'create') {
      if (this.lease) return { status: 409 }
      this.#uids += 1
      return this.#store({ metadata: { ...metadata, uid: `lease-${this.#uids}` }, spec })
    }
    // As the real one answers a write with the UID of a Lease that is gone.
    if (!this.lease) return { status: 409 }
    const { resourceVersion, uid } = this.lease.metadata
    if (metadata['resourceVersion'] !== resourceVersion || metadata['uid'] !== uid) return { status: 409 }
    return this.#store({ metadata, spec })
  }

  /** What a person does with kubectl. */
  edit(change: { spec?: Record<string, unknown>; annotations?: Record<string, string> }): void {
    if (!this.lease) return
    const { metadata, spec } = this.lease
    const annotations = { ...(metadata['annotations'] as object), ...change.annotations }
    this.#store({ metadata: { ...metadata, annotations }, spec: { ...spec, ...change.spec } })
  }

  remove(): void {
    if (!this.lease) return
    this.removedAtMs = this.#now()
    this.version += 1
    this.lease = undefined
    this.#onChange(undefined, this.version)
  }

  #store({ metadata, spec }: LeaseObject): Reply {
    const before = this.holder
    this.version += 1
    this.lease = { metadata: { ...metadata, resourceVersion: String(this.version) }, spec }
    if (this.holder !== before && this.holder !== '') {
      this.acquisitions.push({ holder: this.holder, version: this.version, atMs: this.#now() })
    }
    this.#onChange(this.lease, this.version)
    return { status: 200, lease: this.lease }
  }
}
