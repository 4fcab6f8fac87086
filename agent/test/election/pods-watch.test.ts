import { afterEach, describe, expect, test } from '@jest/globals'
import { once } from 'node:events'
import type { RequestListener, ServerResponse } from 'node:http'
import { PodsWatch, type PodsWatchOptions } from '../../src/election/pods-watch.ts'
import { fakeApiServer } from './fake-api-server.ts'

const closing: (() => unknown)[] = []
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close()
})

type Answer = (response: ServerResponse, url: URL) => void

interface Watching {
  readonly watch: PodsWatch
  /** Every request: `list`, `list from CONTINUE` or `watch VERSION`. */
  readonly asked: readonly string[]
  /** Everything the watch told, in order. */
  readonly told: readonly string[]
}

async function watching(
  answers: { readonly list: Answer; readonly watch: Answer },
  options: Partial<PodsWatchOptions> = {},
): Promise<Watching> {
  const asked: string[] = []
  const listener: RequestListener = (request, response) => {
    const url = new URL(request.url ?? '', 'https://api')
    const { searchParams } = url
    const from = searchParams.get('continue')
    if (searchParams.get('watch') === '1') {
      asked.push(`watch ${searchParams.get('resourceVersion') ?? 'anything'}`)
      answers.watch(response, url)
    } else {
      asked.push(from === null ? 'list' : `list from ${from}`)
      answers.list(response, url)
    }
  }
  const server = await fakeApiServer(listener)
  const watch = new PodsWatch(server.api, {
    namespace: 'ours',
    labelSelector: 'app=agent',
    random: () => 0,
    ...options,
  })
  closing.push(
    () => server.close(),
    () => watch.close(),
  )
  const told: string[] = []
  watch.on('changed', () => told.push(`changed: ${names(watch)}`))
  watch.on('restarted', (reason) => told.push(`restarted: ${reason}`))
  watch.on('obstacle', (why) => told.push(`obstacle: ${why ?? 'none'}`))
  return { watch, asked, told }
}

function names(watch: PodsWatch): string {
  return [...watch.pods].map(({ name }) => name).join()
}

function pod(name: string, resourceVersion = '1'): object {
  return { metadata: { uid: `${name}-uid`, name, resourceVersion, creationTimestamp: '2026-01-02T12:00:00Z' } }
}

function list(items: readonly object[], metadata: object): Answer {
  return (response) => void response.end(JSON.stringify({ kind: 'PodList', metadata, items }))
}

function event(type: string, object: object): string {
  return `${JSON.stringify({ type, object })}\n`
}

/** Answers in turn; the last one answers from then on. */
function inTurn(...answers: readonly [Answer, ...Answer[]]): Answer {
  let turn = 0
  return (response, url) => (answers[turn++] ?? answers.at(-1))?.(response, url)
}

const silent: Answer = (response) => response.writeHead(200).flushHeaders()
const refused =
  (code: number, message: string): Answer =>
  (response) =>
    void response.writeHead(code).end(JSON.stringify({ kind: 'Status', code, message }))

async function untilTold(watching: Watching, last: string): Promise<void> {
  const { watch, told } = watching
  while (!told.includes(last)) {
    await new Promise<void>((resolve) => {
      for (const name of ['changed', 'restarted', 'obstacle'] as const) watch.once(name, () => resolve())
    })
  }
}

describe('the pods of the agent', () => {
  test('are those of the list, changed by what the watch tells', async () => {
    const events = event('ADDED', pod('b', '8')) + event('MODIFIED', pod('a', '9')) + event('DELETED', pod('a', '10'))
    const its = await watching({
      list: list([pod('a')], { resourceVersion: '7' }),
      watch: (response) => void response.writeHead(200).write(events),
    })
    expect(its.watch.isSynced).toBe(false)
    its.watch.start()
    await untilTold(its, 'changed: b')
    expect(its.told).toEqual(['changed: a', 'changed: a,b', 'changed: a,b', 'changed: b'])
    expect(its.asked).toEqual(['list', 'watch 7'])
    expect(its.watch.isSynced).toBe(true)
  })

  test('are read page by page', async () => {
    const its = await watching({
      list: inTurn(
        list([pod('a')], { resourceVersion: '7', continue: 'next page' }),
        list([pod('b')], { resourceVersion: '7' }),
      ),
      watch: silent,
    })
    its.watch.start()
    await untilTold(its, 'changed: a,b')
    expect(its.asked.slice(0, 2)).toEqual(['list', 'list from next page'])
  })

  test('do not keep us reading for ever', async () => {
    const its = await watching({ list: list([], { resourceVersion: '7', continue: 'more' }), watch: silent })
    its.watch.start()
    const [why] = (await once(its.watch, 'obstacle')) as [string]
    expect(why).toContain('more than 2000 pods are selected by app=agent')
  })

  test('are watched on from where the watch ended', async () => {
    const its = await watching({
      list: list([pod('a')], { resourceVersion: '7' }),
      watch: inTurn((response) => void response.end(event('BOOKMARK', pod('x', '20'))), silent),
    })
    its.watch.start()
    await untilTold(its, 'restarted: reset')
    while (its.asked.length < 3) await new Promise((resolve) => setImmediate(resolve))
    expect(its.asked).toEqual(['list', 'watch 7', 'watch 20'])
    expect(names(its.watch)).toBe('a')
  })

  test('are listed again when the version is gone, and those that ended meanwhile are forgotten', async () => {
    const gone = JSON.stringify({ type: 'ERROR', object: { kind: 'Status', code: 410, message: 'too old' } })
    const its = await watching({
      list: inTurn(list([pod('a')], { resourceVersion: '7' }), list([pod('b')], { resourceVersion: '30' })),
      watch: inTurn((response) => void response.end(`${gone}\n`), silent),
    })
    its.watch.start()
    await untilTold(its, 'changed: b')
    expect(its.told).toEqual(['changed: a', 'restarted: gone', 'changed: b'])
  })

  test('are an obstacle, and no crash, while they are forbidden', async () => {
    const its = await watching(
      { list: inTurn(refused(403, 'pods is forbidden'), list([pod('a')], { resourceVersion: '7' })), watch: silent },
      { forbiddenSeconds: 0.02 },
    )
    its.watch.start()
    await untilTold(its, 'obstacle: none')
    expect(its.told).toEqual([
      "obstacle: pods is forbidden; the agent's Role must allow list and watch of pods, or switch pod evidence off",
      'restarted: forbidden',
      'changed: a',
      'obstacle: none',
    ])
  })

  test('are not asked for again at once when they are forbidden', async () => {
    const its = await watching({ list: refused(403, 'no'), watch: silent })
    its.watch.start()
    await once(its.watch, 'restarted')
    // Another request would have begun within this many turns: the backoff of this test waits for nothing.
    for (let turn = 0; turn < 200; turn++) await new Promise((resolve) => setImmediate(resolve))
    expect(its.asked).toEqual(['list'])
  })

  test.each([
    ['something else', list([], {})],
    ['an overloaded API server', refused(429, 'slow down')],
    ['no token', refused(401, 'who?')],
  ])('are asked for again after an answer of %s', async (_, first) => {
    const its = await watching({ list: inTurn(first, list([pod('a')], { resourceVersion: '7' })), watch: silent })
    its.watch.start()
    await untilTold(its, 'obstacle: none')
    expect(its.told[0]).toMatch(/^obstacle: the pods are not known: /)
    expect(names(its.watch)).toBe('a')
  })

  test('are left alone once it is closed, also while it waits to go on', async () => {
    const its = await watching({
      list: list([pod('a')], { resourceVersion: '7' }),
      watch: (response) => void response.end(event('BOOKMARK', pod('x', '20'))),
    })
    its.watch.start()
    its.watch.once('restarted', () => its.watch.close())
    await once(its.watch, 'restarted')
    for (let turn = 0; turn < 200; turn++) await new Promise((resolve) => setImmediate(resolve))
    expect(its.asked).toEqual(['list', 'watch 7'])
  })
})
