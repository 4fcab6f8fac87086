import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, expect, test } from '@jest/globals'
import { apiRequest } from '../cluster/api-request.ts'
import { applyEnvironment, removeEnvironments } from '../delivery/environment.ts'
import { hooksMs } from './chain.ts'
import { failovers, faults } from './failovers.ts'
import { check } from './history/check.ts'

// Every fault once, in the order of a seed, under a constant stream of commands. A thousand of them: npm run bench.

beforeAll(async () => {
  await removeEnvironments()
  await applyEnvironment('local')
}, hooksMs)
// All at once: one after the other they would take minutes.
beforeEach(async () => {
  const path = '/api/v1/namespaces/regent-sessions/configmaps?labelSelector=regent.test/effect'
  expect((await apiRequest({ method: 'DELETE', path })).status).toBe(200)
}, hooksMs)
afterAll(removeEnvironments, hooksMs)

test('none lost, none twice, nothing of the past accepted, whatever dies', async () => {
  const seed = Number(process.env['SEED'] ?? Math.floor(Math.random() * 2 ** 31))
  console.log(`SEED=${seed}`)
  const { violations, counted } = check(
    await failovers({ seed, count: faults.length + 3, settles: true, say: console.log }),
  )
  console.log(JSON.stringify(counted))
  expect(violations).toEqual([])
  expect(counted.done).toBe(counted.promised)
  expect(counted.effects).toBe(counted.promised)
}, 400_000)

test('fails if the fence is taken out: the history tells', async () => {
  const history = await failovers({
    seed: 1,
    count: 2,
    among: ['leader is paused'],
    chain: { controlPlaneImport: join(import.meta.dirname, 'without-fence.ts') },
  })
  const found = new Set(check(history).violations.map(({ invariant }) => invariant))
  expect([...found].filter((invariant) => invariant === 'delivery' || invariant === 'result')).not.toEqual([])
}, 200_000)
