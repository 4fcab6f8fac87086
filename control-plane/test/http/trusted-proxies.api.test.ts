import { afterAll, beforeAll, expect, test } from '@jest/globals'
import { ClientAddresses } from '../../src/http/client-address.ts'
import { ServedApi } from './served-api.ts'

// Behind an ingress all have one address, unless it is believed who they are.

let api: ServedApi
beforeAll(async () => {
  api = await ServedApi.start({
    gate: { strangerRate: { perSecond: 0.001, burst: 2 } },
    api: { addressOf: new ClientAddresses(['127.0.0.1/32']).of },
  })
})
afterAll(() => api.close())

const ask = async (from: string, token: string): Promise<number> =>
  (await api.ask('GET', '/api/v1/whoami', { token, headers: { 'x-forwarded-for': from } })).status

test('wrong credentials from one address leave the others alone, whoever that one says it is', async () => {
  expect([await ask('198.51.100.1', 'wrong'), await ask('198.51.100.1', 'wrong')]).toEqual([401, 401])
  expect(await ask('198.51.100.1', 'wrong')).toBe(429)
  // What it wrote itself stands before what the proxy wrote of it.
  expect(await ask('198.51.100.77, 198.51.100.1', 'wrong')).toBe(429)
  expect(await ask('198.51.100.2', 'wrong')).toBe(401)
  expect(await ask('198.51.100.3', api.tokens.viewer)).toBe(200)
  expect(api.audit().map(({ address }) => address)).toEqual([
    '198.51.100.1',
    '198.51.100.1',
    '198.51.100.1',
    '198.51.100.2',
  ])
})
