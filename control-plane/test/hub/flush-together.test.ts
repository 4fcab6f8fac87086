import { once } from 'node:events'
import { Writable } from 'node:stream'
import { expect, test } from '@jest/globals'
import { flushTogether } from '../../src/hub/flush-together.ts'

/** A stream that notes what is written together. */
function noted(): { readonly stream: Writable; readonly calls: string[] } {
  const calls: string[] = []
  const stream = new Writable({
    decodeStrings: false,
    writev: (chunks, done) => {
      calls.push(chunks.map(({ chunk }) => String(chunk)).join(''))
      done()
    },
  })
  flushTogether(stream)
  return { stream, calls }
}

/** As a WebSocket writes a message: head and body. */
function send(stream: Writable, text: string): void {
  stream.cork()
  stream.write(`<${text}`)
  stream.write('>')
  stream.uncork()
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

test('messages of one turn leave together, also those of what waited for the same', async () => {
  const { stream, calls } = noted()
  const { promise, resolve } = Promise.withResolvers<undefined>()
  for (const text of ['b', 'c']) void promise.then(() => send(stream, text))
  send(stream, 'a')
  resolve(undefined)
  await turn()
  expect(calls).toEqual(['<a><b><c>'])
  send(stream, 'd')
  await turn()
  expect(calls).toEqual(['<a><b><c>', '<d>'])
})

test('what was sent before the end leaves before it', async () => {
  const { stream, calls } = noted()
  send(stream, 'a')
  send(stream, 'b')
  stream.end()
  await once(stream, 'finish')
  expect(calls.join('')).toBe('<a><b>')
})

test('a stream that ended meanwhile is left alone', async () => {
  const { stream, calls } = noted()
  send(stream, 'a')
  stream.destroy()
  await turn()
  expect(calls).toEqual([])
})
