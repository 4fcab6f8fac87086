import { afterEach, describe, expect, test } from '@jest/globals'
import { once } from 'node:events'
import type { RequestListener, ServerResponse } from 'node:http'
import { Watch, type WatchEnd, type WatchOptions } from '../../src/election/watch.ts'
import { fakeApiServer, type FakeApiServer } from './fake-api-server.ts'

const closing: (() => unknown)[] = []
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close()
})

interface Watching {
  readonly server: FakeApiServer
  readonly watch: Watch
  /** Everything that was told, in order. */
  readonly told: unknown[]
}

async function watching(listener: RequestListener, options: Partial<WatchOptions> = {}): Promise<Watching> {
  const server = await fakeApiServer(listener)
  const watch = new Watch(server.api, { path: '/apis/leases', ...options })
  closing.push(
    () => server.close(),
    () => watch.close(),
  )
  const told: unknown[] = []
  watch.on('event', ({ type, object }) => told.push([type, object]))
  watch.on('bookmark', ({ resourceVersion }) => told.push(['BOOKMARK', resourceVersion]))
  watch.on('ended', ({ reason }) => told.push(['ended', reason]))
  return { server, watch, told }
}

async function endOf(watch: Watch): Promise<WatchEnd> {
  const [end] = (await once(watch, 'ended')) as [WatchEnd]
  return end
}

function line(type: string, resourceVersion: string, more: object = {}): string {
  return `${JSON.stringify({ type, object: { metadata: { resourceVersion }, ...more } })}\n`
}

const status = (code: number, message: string): string => JSON.stringify({ kind: 'Status', code, message })

describe('a watch', () => {
  test('asks for the selection, from the version, with bookmarks and for a time that varies', async () => {
    const urls: (string | undefined)[] = []
    const listener: RequestListener = (request, response) => {
      urls.push(request.url)
      response.end()
    }
    const randoms = [0, 1 - Number.EPSILON]
    const { watch } = await watching(listener, {
      fieldSelector: 'metadata.name=a b',
      random: () => randoms.shift() ?? 0.5,
    })
    watch.start('12')
    await endOf(watch)
    watch.start()
    await endOf(watch)
    expect(urls).toEqual([
      '/apis/leases?watch=1&allowWatchBookmarks=true&timeoutSeconds=270&resourceVersion=12&fieldSelector=metadata.name%3Da+b',
      '/apis/leases?watch=1&allowWatchBookmarks=true&timeoutSeconds=330&fieldSelector=metadata.name%3Da+b',
    ])
  })

  test('tells events and bookmarks in order, whatever chunks they come in', async () => {
    const text =
      line('ADDED', '1', { note: 'ä🙂' }) + line('MODIFIED', '2') + line('DELETED', '3') + line('BOOKMARK', '9')
    const bytes = Buffer.from(text)
    const { watch, told } = await watching((_, response) => {
      const send = (start: number): void => {
        if (start >= bytes.length) response.end()
        else response.write(bytes.subarray(start, start + 7), () => send(start + 7))
      }
      send(0)
    })
    watch.start()
    await endOf(watch)
    expect(told).toEqual([
      ['ADDED', { metadata: { resourceVersion: '1' }, note: 'ä🙂' }],
      ['MODIFIED', { metadata: { resourceVersion: '2' } }],
      ['DELETED', { metadata: { resourceVersion: '3' } }],
      ['BOOKMARK', '9'],
      ['ended', 'reset'],
    ])
    expect(watch.resourceVersion).toBe('9')
  })

  test('says when it was accepted, before anything happens', async () => {
    const { watch, told } = await watching((_, response) => {
      response.writeHead(200).flushHeaders()
    })
    watch.start()
    await once(watch, 'answered')
    expect(told).toEqual([])
  })

  test('once closed, tells nothing more, not even what came in the same chunk', async () => {
    const { watch, told } = await watching((_, response) => void response.end(line('ADDED', '1') + line('ADDED', '2')))
    watch.once('event', () => watch.close())
    watch.start()
    await once(watch, 'event')
    // Whatever the first one still had to say would come before what the second one says.
    watch.start()
    await endOf(watch)
    expect(told.map((each) => (each as string[])[0])).toEqual(['ADDED', 'ADDED', 'ADDED', 'ended'])
  })

  test('that is started again replaces the one that runs', async () => {
    const responses: ServerResponse[] = []
    const { watch, told } = await watching((_, response) => {
      responses.push(response)
      response.writeHead(200).flushHeaders()
    })
    watch.start('1')
    await once(watch, 'answered')
    const closed = once(responses[0] as ServerResponse, 'close')
    watch.start('5')
    await once(watch, 'answered')
    await closed
    expect(watch.resourceVersion).toBe('5')
    responses[1]?.end(line('ADDED', '6'))
    await endOf(watch)
    expect(told).toHaveLength(2)
  })

  test('uses a connection of its own every time, and the token of the moment', async () => {
    const tokens: (string | undefined)[] = []
    const { server, watch } = await watching((request, response) => {
      tokens.push(request.headers.authorization)
      response.end()
    })
    watch.start()
    await endOf(watch)
    server.writeToken('second-token')
    watch.start()
    await endOf(watch)
    expect(tokens).toEqual(['Bearer first-token', 'Bearer second-token'])
    expect(server.connections).toHaveLength(2)
  })
})

describe('a watch ends', () => {
  const refused =
    (code: number): RequestListener =>
    (_, response) =>
      void response.writeHead(code).end(status(code, `no: ${code}`))
  const cases: readonly (readonly [string, RequestListener, WatchEnd['reason'], RegExp])[] = [
    ['is refused with 401', refused(401), 'unauthorized', /^no: 401$/],
    ['is refused with 403', refused(403), 'forbidden', /^no: 403$/],
    ['is refused with 410', refused(410), 'gone', /^no: 410$/],
    ['is refused with 429', refused(429), 'error', /^no: 429$/],
    ['is told that its version is too old', sent(errorEvent(410)), 'gone', /^old$/],
    ['is told another error', sent(errorEvent(500)), 'error', /^old$/],
    ['is told an error of nobody', sent('{"type":"ERROR"}\n'), 'error', /an ERROR event without a Status/],
    ['is answered by a proxy', (_, r) => void r.writeHead(410).end('<html>'), 'error', /status 410 without a Status/],
    ['is told garbage', sent('garbage\n'), 'error', /neither an event .* "garbage"$/],
    ['is told of an object without a version', sent('{"type":"ADDED","object":{}}\n'), 'error', /neither an event/],
    ['is told of an event nobody knows', sent(line('RENAMED', '1')), 'error', /neither an event/],
    ['is told a line without end', sent(`{"${'x'.repeat(2000)}`), 'error', /a line of more than 1000 bytes/],
    ['loses its connection', (_, r) => r.writeHead(200).write(' ', () => r.destroy()), 'reset', /aborted|hang up/],
    [
      'loses its connection before the answer',
      (request) => void request.socket.destroy(),
      'error',
      /hang up|ECONNRESET/,
    ],
    ['is closed before its time', sent(''), 'reset', /closed before its time/],
  ]

  function sent(text: string): RequestListener {
    return (_, response) => void response.end(text)
  }
  function errorEvent(code: number): string {
    return `{"type":"ERROR","object":${status(code, 'old')}}\n`
  }

  test.each(cases)('when it %s', async (_, listener, reason, why) => {
    const { watch, told } = await watching(listener, { maxEventBytes: 1000 })
    watch.start()
    const end = await endOf(watch)
    expect(end.reason).toBe(reason)
    expect(end.why).toMatch(why)
    expect(told).toEqual([['ended', reason]])
  })

  test('when its connection is reset', async () => {
    const { server, watch } = await watching((_, response) => response.writeHead(200).flushHeaders())
    watch.start()
    await once(watch, 'answered')
    const end = endOf(watch)
    for (const socket of server.connections) socket.resetAndDestroy()
    expect(await end).toMatchObject({ reason: 'reset' })
  })

  test('with the status, where the API server said one', async () => {
    const { watch } = await watching(refused(403))
    watch.start()
    expect(await endOf(watch)).toEqual({ reason: 'forbidden', status: 403, why: 'no: 403' })
  })

  test('as agreed, when its time is over', async () => {
    let now = 0
    const clock = { now: () => ({ monotonicMs: now, wallMs: 0 }) }
    const { watch } = await watching(
      (_, response) => {
        now = 299_500
        response.end()
      },
      { clock, random: () => 0.5 },
    )
    watch.start()
    expect(await endOf(watch)).toEqual({ reason: 'timeout', why: 'it lasted 300 s, as agreed' })
  })

  test('when nobody accepts it in time', async () => {
    const { watch } = await watching(() => undefined, { answerSeconds: 0.05 })
    watch.start()
    expect(await endOf(watch)).toEqual({ reason: 'error', why: 'not accepted within 0.05 s' })
  })

  test('when the token cannot be read, and not before start() has returned', async () => {
    const { server, watch } = await watching(() => undefined)
    server.writeToken('')
    let hasReturned = false
    const end = new Promise<boolean>((resolve) => watch.once('ended', () => resolve(hasReturned)))
    watch.start()
    hasReturned = true
    expect(await end).toBe(true)
  })
})
