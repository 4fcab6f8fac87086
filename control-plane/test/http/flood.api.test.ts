import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { ServedApi } from './served-api.ts'

let api: ServedApi
beforeAll(async () => {
  // So few that a slow machine cannot serve all of the flood in time.
  api = await ServedApi.start({ gate: { callerRate: { perSecond: 1, burst: 50 } } })
}, 60_000)
afterAll(() => api.close())

describe('a flood of requests of one caller', () => {
  test('is refused beyond what one may ask, says when to come again, and holds up nobody else', async () => {
    const flood = Array.from({ length: 300 }, () => api.ask('GET', '/api/v1/whoami', { token: api.tokens.viewer }))
    const other = await api.ask('GET', '/api/v1/whoami', { token: api.tokens.operator })
    expect(other.status).toBe(200)
    const answers = await Promise.all(flood)
    const [served, refused] = [200, 429].map((status) => answers.filter((answer) => answer.status === status))
    expect((served?.length ?? 0) + (refused?.length ?? 0)).toBe(300)
    expect(served?.length).toBeGreaterThanOrEqual(50)
    expect(refused?.length).toBeGreaterThan(0)
    for (const { headers, body } of refused ?? []) {
      expect(Number(headers.get('retry-after'))).toBeGreaterThanOrEqual(1)
      expect(body).toMatchObject({ type: 'https://regent.dev/problems/too-many-requests' })
    }
    // It is one line of the audit log, and not as many as there were requests.
    const lines = api.audit().filter(({ outcome }) => outcome === 'too-many-requests')
    expect(lines.length).toBeLessThan(5)
    expect((await api.ask('GET', '/api/v1/agents')).status).toBe(200)
  }, 60_000)
})
