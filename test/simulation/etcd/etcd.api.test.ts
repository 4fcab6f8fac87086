import { afterAll, beforeAll, expect, test } from '@jest/globals'
import fc from 'fast-check'
import type { Compare, Operation, Transaction } from '../../../control-plane/src/store/key-value.ts'
import { calls, type WireKeyValue, type WireResult } from '../../../control-plane/src/store/protocol.ts'
import { rangeRequest, wireOperation, wireTransaction } from '../../../control-plane/src/store/wire.ts'
import { type Asked, realEtcd, simulatedEtcd } from './both-etcds.ts'

// The simulated etcd answers as the real one does, to whatever the control plane may ask of it. Both are asked the same
// from their beginning on, so that even their revisions are the same.

/** One step of a script, to both. Keys are few, so that steps meet; leases and revisions are named by their order. */
type Step =
  | (Conditional & { readonly kind: 'txn' })
  /** Transactions that are steps of one. */
  | { readonly kind: 'txns'; readonly inner: readonly Conditional[]; readonly own: readonly Wanted[] }
  | {
      readonly kind: 'range'
      readonly key: string
      readonly back: number
      readonly limit: number
      readonly keysOnly: boolean
      readonly countOnly: boolean
    }
  | { readonly kind: 'grant' }
  | { readonly kind: 'revoke'; readonly lease: number }
  | { readonly kind: 'compact'; readonly back: number }
  | { readonly kind: 'watch'; readonly key: string; readonly back: number }

interface Conditional {
  readonly compare: readonly { readonly key: string; readonly by: 'mod' | 'create' | 'exists'; readonly is: number }[]
  readonly then: readonly Wanted[]
  readonly otherwise: readonly Wanted[]
}

type Wanted =
  | { readonly kind: 'put' | 'attach'; readonly key: string; readonly lease: number; readonly value: string }
  | { readonly kind: 'delete' | 'get' | 'count'; readonly key: string; readonly limit: number }

const key = fc.constantFrom('/a/1', '/a/2', '/a/b/3', '/c/4')
const place = fc.oneof(key, fc.constantFrom('/a/', '/c/', '/a/b/'))
const lease = fc.integer({ min: -1, max: 3 })
const back = fc.integer({ min: -1, max: 6 })
const wanted: fc.Arbitrary<Wanted> = fc.oneof(
  fc.record({ kind: fc.constantFrom('put', 'put', 'attach'), key, lease, value: fc.string({ maxLength: 3 }) }),
  fc.record({ kind: fc.constantFrom('delete', 'get', 'count'), key: place, limit: fc.integer({ min: 0, max: 2 }) }),
)
const branch = fc.array(wanted, { maxLength: 4 })
const compare = fc.array(
  fc.record({ key, by: fc.constantFrom('mod', 'create', 'exists'), is: fc.integer({ min: 0, max: 2 }) }),
  { maxLength: 2 },
)
const few = fc.array(wanted, { maxLength: 2 })
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 8, arbitrary: fc.record({ kind: fc.constant('txn'), compare, then: branch, otherwise: branch }) },
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant('txns'),
      inner: fc.array(fc.record({ compare, then: few, otherwise: few }), { minLength: 1, maxLength: 3 }),
      own: fc.array(wanted, { maxLength: 1 }),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant('range'),
      key: place,
      back,
      limit: fc.integer({ min: 0, max: 2 }),
      keysOnly: fc.boolean(),
      countOnly: fc.boolean(),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('grant') }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('revoke'), lease }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('compact'), back }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('watch'), key: fc.constantFrom('/a/', '/a/1', '/c/'), back }) },
)

/** What one of the two was asked so far, and how it answers in a form that compares. */
class Conversation {
  readonly #etcd: Asked
  readonly #leases: bigint[] = []
  #revision = 1n
  #compacted = 0n

  constructor(etcd: Asked) {
    this.#etcd = etcd
  }

  async say(said: Step): Promise<unknown> {
    try {
      return await this.#say(said)
    } catch (error) {
      if (!(error instanceof Error)) throw error
      // Without the address of who said it.
      return { error: error.name, words: error.message.replace(/^[^:]*(:\d+)?: /, '') }
    }
  }

  async #say(said: Step): Promise<unknown> {
    switch (said.kind) {
      case 'txn': {
        const answer = await this.#etcd.unary(calls.transact, wireTransaction(await this.#transaction(said)))
        this.#revision = answer.header.revision
        return [answer.succeeded, answer.header.revision, answer.responses.map((each) => this.#result(each))]
      }
      case 'txns': {
        const inner = await Promise.all(said.inner.map((each) => this.#transaction(each)))
        const own = said.own.map((one) => wireOperation(this.#operation(one)))
        const success = [...inner.map((each) => ({ requestTxn: wireTransaction(each) })), ...own]
        const { header, responses } = await this.#etcd.unary(calls.transact, { success })
        this.#revision = header.revision
        const answers = responses.map(({ responseTxn, ...rest }) =>
          responseTxn === null
            ? this.#result(rest)
            : [responseTxn.succeeded, responseTxn.responses.map((each) => this.#result(each))],
        )
        return [header.revision, answers]
      }
      case 'range': {
        const { limit, keysOnly, countOnly } = said
        const request = { ...rangeRequest(said.key, said.key.endsWith('/'), limit), keysOnly, countOnly }
        const answer = await this.#etcd.unary(calls.range, { ...request, revision: this.#before(said.back) })
        return [answer.header.revision, answer.more, answer.count, answer.kvs.map((kv) => this.#keyValue(kv))]
      }
      case 'grant': {
        const { id, ttl } = await this.#etcd.unary(calls.grantLease, { ttl: 600n })
        this.#leases.push(id)
        return ttl
      }
      case 'revoke':
        await this.#etcd.unary(calls.revokeLease, { id: this.#lease(said.lease) })
        // What went with it is gone, at a revision of its own if there was any.
        this.#revision = (await this.#etcd.unary(calls.range, rangeRequest('/none', false))).header.revision
        return this.#revision
      case 'compact': {
        const at = this.#before(Math.max(0, said.back))
        if (at <= this.#compacted || at > this.#revision) return 'nothing to compact'
        await this.#etcd.compact(at)
        this.#compacted = at
        return at
      }
      case 'watch': {
        const startRevision = this.#before(Math.max(0, said.back))
        // Something that it surely sees, so that its end is known.
        const put = { requestPut: { key: Buffer.from('/a/1'), value: Buffer.from('seen') } }
        const other = { requestPut: { key: Buffer.from('/c/4'), value: Buffer.from('seen') } }
        const { header } = await this.#etcd.unary(calls.transact, { compare: [], success: [put, other] })
        this.#revision = header.revision
        const request = { ...rangeRequest(said.key, said.key.endsWith('/')), startRevision }
        const heard = await this.#etcd.watched(request, header.revision)
        const events = heard.flatMap(({ events }) => events).map(({ type, kv }) => [type, this.#keyValue(kv)])
        const ends = heard.filter(({ canceled }) => canceled).map(({ compactRevision }) => compactRevision)
        return [heard[0]?.created, events, ends]
      }
    }
  }

  async #transaction({ compare: conditions, then, otherwise }: Conditional): Promise<Transaction> {
    return {
      when: await Promise.all(conditions.map((condition) => this.#compare(condition))),
      then: then.map((one) => this.#operation(one)),
      otherwise: otherwise.map((one) => this.#operation(one)),
    }
  }

  #before(back: number): bigint {
    return this.#revision > BigInt(back) ? this.#revision - BigInt(back) : 1n
  }

  #lease(index: number): bigint {
    // -1 is none, and one that was not granted is nobody's.
    return index < 0 ? 0n : (this.#leases[index] ?? 12_345n)
  }

  async #compare({ key: compared, by, is }: Conditional['compare'][number]): Promise<Compare> {
    if (by === 'exists') return { key: compared, exists: is > 0 }
    const { kvs } = await this.#etcd.unary(calls.range, rangeRequest(compared, false))
    const [found] = kvs
    const revision =
      is === 0 ? 0n : ((by === 'mod' ? found?.modRevision : found?.createRevision) ?? 0n) + BigInt(is - 1)
    return by === 'mod' ? { key: compared, modRevision: revision } : { key: compared, createRevision: revision }
  }

  #operation(one: Wanted): Operation {
    switch (one.kind) {
      case 'put':
        return { put: one.key, value: one.value, lease: this.#lease(one.lease) }
      case 'attach':
        return { attach: one.key, lease: this.#lease(one.lease) }
      case 'delete':
        return { delete: one.key, prefix: one.key.endsWith('/') }
      case 'get':
        return { get: one.key, prefix: one.key.endsWith('/'), limit: one.limit }
      case 'count':
        return { count: one.key.endsWith('/') ? one.key : '/a/' }
    }
  }

  #result({ responseRange, responsePut, responseDeleteRange }: WireResult): unknown {
    if (responsePut !== null) return 'put'
    if (responseDeleteRange !== null) return responseDeleteRange.deleted
    return [responseRange?.more, responseRange?.count, responseRange?.kvs.map((kv) => this.#keyValue(kv))]
  }

  #keyValue({ key: bytes, value, createRevision, modRevision, lease: id }: WireKeyValue): unknown {
    const texts = [bytes, value].map((each) => Buffer.from(each).toString())
    return [...texts, createRevision, modRevision, id === 0n ? 'no lease' : this.#leases.indexOf(id)]
  }
}

let real: Asked
const simulated = simulatedEtcd()
beforeAll(async () => {
  real = await realEtcd()
}, 60_000)
afterAll(() => real.close())

test('leases run out with all that goes with them, at one revision, never early and soon', async () => {
  for (const etcd of [real, simulated]) {
    const { id, ttl } = await etcd.unary(calls.grantLease, { ttl: 1n })
    expect(ttl).toBe(2n)
    const puts = ['/l/2', '/l/1', '/l/3'].map((each) => wireOperation({ put: each, value: 'x', lease: id }))
    await etcd.unary(calls.transact, { compare: [], success: puts })
    await etcd.pass(1500)
    expect((await etcd.unary(calls.range, rangeRequest('/l/', true))).count).toBe(3n)
    await etcd.pass(4000)
    const { count, header } = await etcd.unary(calls.range, rangeRequest('/l/', true))
    expect([count, header.revision]).toEqual([0n, 3n])
    const [created, ...heard] = await etcd.watched({ ...rangeRequest('/l/', true), startRevision: 3n }, 3n)
    expect(created?.created).toBe(true)
    const events = heard.flatMap(({ events: told }) => told)
    expect(events.map(({ type, kv }) => [type, Buffer.from(kv.key).toString(), kv.modRevision])).toEqual([
      ['DELETE', '/l/1', 3n],
      ['DELETE', '/l/2', 3n],
      ['DELETE', '/l/3', 3n],
    ])
    await expect(etcd.unary(calls.revokeLease, { id })).rejects.toThrow('requested lease not found')
  }
}, 30_000)

test('whatever is asked, both answer the same', () => answerTheSame(simulated, real), 120_000)

test('and where neither has room', async () => {
  // So small that it is full before anything is written.
  const full = await realEtcd({ quotaBytes: 1 })
  try {
    await answerTheSame(simulatedEtcd('none'), full)
  } finally {
    await full.close()
  }
}, 120_000)

async function answerTheSame(one: Asked, other: Asked): Promise<void> {
  const ours = new Conversation(one)
  const theirs = new Conversation(other)
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 25 }), async (steps) => {
      for (const said of steps) expect(await ours.say(said)).toEqual(await theirs.say(said))
    }),
    // Both go on from where they are: a shorter script after a failure would not begin at the same place.
    { numRuns: 150, endOnFailure: true },
  )
}
