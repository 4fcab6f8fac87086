import { describe, expect, test } from '@jest/globals'
import { NotLeading } from '../../src/election/leadership.ts'
import { Fenced, fencedWrite } from '../../src/kubernetes/fenced-write.ts'
import { ScriptedLeadership } from '../support/scripted-election.ts'

/** What the API server answers, as the client throws it. */
const answer = (code: number, message: string): Error =>
  Object.assign(new Error(`HTTP-Code: ${code}`), { code, body: JSON.stringify({ kind: 'Status', message }) })
const policy =
  "ValidatingAdmissionPolicy 'regent-agent-local-fence' with binding 'regent-agent-local-fence' denied request"
const byFence = answer(
  403,
  `configmaps "x" is forbidden: ${policy}: fenced: the Lease regent-agent-local is held by other, not by the pod of this request`,
)
const noLease = answer(
  422,
  `ConfigMap "x" is invalid: : Invalid value: "": ${policy.replace(' denied request', '')} denied request: failed to configure binding: no params found for policy binding with \`Deny\` parameterNotFoundAction`,
)

/** A leadership that began long ago. */
const established = (): ScriptedLeadership => new ScriptedLeadership(42n, new Date(Date.now() - 60_000))

class Counted {
  fenced = 0
  countFenced(): void {
    this.fenced += 1
  }
}

/** An attempt that throws these one after the other, and succeeds then. */
function attempts(...errors: readonly Error[]): (() => Promise<string>) & { count: () => number } {
  let count = 0
  const attempt = (): Promise<string> => {
    const error = errors[count]
    count += 1
    return error === undefined ? Promise.resolve('written') : Promise.reject(error)
  }
  return Object.assign(attempt, { count: () => count })
}

test('a write of a leader is sent once, and its answer returned', async () => {
  const [leadership, metrics, attempt] = [established(), new Counted(), attempts()]
  await expect(fencedWrite(leadership, metrics, attempt)).resolves.toBe('written')
  expect([leadership.assertions, attempt.count(), metrics.fenced]).toEqual([1, 1, 0])
})

test('nothing is sent once the leadership is over, not even in the same turn', async () => {
  const [leadership, attempt] = [established(), attempts()]
  leadership.refusal = new NotLeading('epoch 42 is over')
  await expect(fencedWrite(leadership, new Counted(), attempt)).rejects.toThrow(NotLeading)
  expect(attempt.count()).toBe(0)
})

test('the attempt begins synchronously after the assertion, and gives up with the leadership', async () => {
  const leadership = established()
  let sent = false
  const written = fencedWrite(leadership, new Counted(), (signal) => {
    sent = true
    return new Promise((_, reject) => signal.addEventListener('abort', () => reject(new Error('given up'))))
  })
  expect(sent).toBe(true)
  leadership.end('lost')
  await expect(written).rejects.toThrow('given up')
})

describe.each([
  ['another pod holds the Lease', byFence],
  ['there is no Lease', noLease],
])('refused because %s', (_, refusal) => {
  test('an established leader is told at once, and it is counted', async () => {
    const [metrics, attempt] = [new Counted(), attempts(refusal)]
    const thrown: unknown = await fencedWrite(established(), metrics, attempt).catch((error: unknown) => error)
    expect(thrown).toBeInstanceOf(Fenced)
    expect(String(thrown)).toContain('the write of epoch 42 was refused: ')
    expect((thrown as Error).cause).toBe(refusal)
    expect([attempt.count(), metrics.fenced]).toEqual([1, 1])
  })

  test('a new leader tries again, asserts before each attempt, and counts nothing', async () => {
    const [leadership, metrics] = [new ScriptedLeadership(), new Counted()]
    const attempt = attempts(refusal, refusal, refusal)
    await expect(fencedWrite(leadership, metrics, attempt)).resolves.toBe('written')
    expect([leadership.assertions, attempt.count(), metrics.fenced]).toEqual([4, 4, 0])
  })
})

test('a new leader that is refused for longer than a second is told, after a bounded number of attempts', async () => {
  const [metrics, attempt] = [new Counted(), attempts(...Array<Error>(100).fill(byFence))]
  const began = Date.now()
  await expect(fencedWrite(new ScriptedLeadership(), metrics, attempt)).rejects.toThrow(Fenced)
  expect(Date.now() - began).toBeLessThan(2500)
  expect(attempt.count()).toBeLessThan(20)
  expect(metrics.fenced).toBe(1)
})

test('a leadership that began in the future, because the clock was set back, is not tried again for ever', async () => {
  const [metrics, attempt] = [new Counted(), attempts(...Array<Error>(100).fill(byFence))]
  const leadership = new ScriptedLeadership(42n, new Date(Date.now() + 3_600_000))
  await expect(fencedWrite(leadership, metrics, attempt)).rejects.toThrow(Fenced)
  expect(attempt.count()).toBeLessThan(20)
})

test('a new leader that loses the Lease meanwhile sends nothing more', async () => {
  const leadership = new ScriptedLeadership()
  let count = 0
  const written = fencedWrite(leadership, new Counted(), () => {
    count += 1
    leadership.refusal = new NotLeading('epoch 42 is over')
    leadership.end('lost')
    return Promise.reject(byFence)
  })
  await expect(written).rejects.toThrow(NotLeading)
  expect(count).toBe(1)
})

test.each([
  ['a permission that is missing', answer(403, 'configmaps "x" is forbidden: User cannot create resource')],
  ['another policy', answer(403, `${policy}: images must be signed`)],
  ['an object that is invalid', answer(422, 'ConfigMap "x" is invalid: data: no params found')],
  ['a conflict', answer(409, 'the object has been modified; fenced: not')],
  ['a connection that broke', new Error('fenced: socket hang up')],
])('%s is no refusal of the fence: thrown as it is, and not counted', async (_, error) => {
  const [metrics, attempt] = [new Counted(), attempts(error)]
  await expect(fencedWrite(new ScriptedLeadership(), metrics, attempt)).rejects.toBe(error)
  expect([attempt.count(), metrics.fenced]).toEqual([1, 0])
})
