import type { ServerResponse } from 'node:http'
import { afterEach, describe, expect, test } from '@jest/globals'
import { ScriptedControlPlane } from './scripted-control-plane.ts'

const begins = (response: ServerResponse) => response.end('retry: 1000\nid: 7\n\n')
const refuses = (status: number) => (response: ServerResponse) => response.writeHead(status).end()

describe('what is followed', () => {
  let plane: ScriptedControlPlane | undefined
  afterEach(() => plane?.close())

  test.each(['agents', 'commands'])('is listed once nothing of it is missed any more: %s', async (what) => {
    plane = new ScriptedControlPlane([begins, refuses(401)])
    await plane.regent(what, 'list', ...(what === 'commands' ? ['a'] : []), '--watch')
    expect(plane.asked[0]).toBe('/api/v1/events')
    expect(plane.asked[1]).toMatch(/^\/api\/v1\/agents/)
  })

  test('ends where the token does, and says what to do', async () => {
    plane = new ScriptedControlPlane([begins, refuses(503), refuses(429), refuses(401)])
    const { code, stderr } = await plane.regent('agents', 'list', '--watch')
    expect(code).toBe(1)
    expect(stderr).toContain('answers with 401')
    expect(stderr).toContain('give a token that is valid')
    expect(plane.asked.filter((path) => path.startsWith('/api/v1/events'))).toEqual([
      '/api/v1/events',
      ...Array<string>(3).fill('/api/v1/events 7'),
    ])
  })
})
