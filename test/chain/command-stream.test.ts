import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, beforeEach, expect, test } from '@jest/globals'
import { waitFor } from '../cluster/wait-for.ts'
import { CommandStream } from './command-stream.ts'

/** Statuses that are answered to the first requests; those after them are answered 503. */
let statuses: number[]
/** Each request that came: its key, and the one in what it carries. */
let asked: { readonly key: unknown; readonly carried: unknown }[]
const server = createServer((request, response) => {
  request.setEncoding('utf8')
  let body = ''
  request.on('data', (text: string) => (body += text))
  request.on('end', () => {
    const { payload } = JSON.parse(body) as { readonly payload: { readonly key: unknown } }
    asked.push({ key: request.headers['idempotency-key'], carried: payload.key })
    response.writeHead(statuses.shift() ?? 503).end(JSON.stringify({ commandId: `c${asked.length}` }))
  })
})
let stream: CommandStream

beforeEach(async () => {
  asked = []
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
})
afterEach(async () => {
  await stream.abandon()
  await new Promise((resolve) => server.close(resolve))
})

/** What one client saw once it was answered so often. */
async function seen(...answers: readonly number[]): Promise<CommandStream['events']> {
  statuses = [...answers]
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  stream = new CommandStream({ api: () => ({ url, bearer: 'x' }), clients: 1, everyMs: 1, targets: 1 })
  await waitFor('requests', () => asked.length > answers.length, { everyMilliseconds: 5 })
  return stream.events
}

test('a command that was refused for sure is given up, and the next one is asked for', async () => {
  expect(await seen(429, 201)).toEqual([
    { kind: 'asked', key: '0-1' },
    { kind: 'refused', key: '0-1' },
    { kind: 'asked', key: '0-2' },
    { kind: 'promised', key: '0-2', commandId: 'c2' },
    { kind: 'asked', key: '0-3' },
  ])
  expect(asked.slice(0, 2)).toEqual(['0-1', '0-2'].map((key) => ({ key, carried: key })))
})

test('one that may have been stored is asked for until it is known, also where it is refused meanwhile', async () => {
  expect(await seen(503, 429, 200)).toEqual([
    { kind: 'asked', key: '0-1' },
    { kind: 'promised', key: '0-1', commandId: 'c3' },
    { kind: 'asked', key: '0-2' },
  ])
})
