import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { agent } from '@regent/contract/agent.ts'
import { describe, expect, test } from '@jest/globals'
import { withArguments } from '../../../images/context.ts'
import { agentImage } from '../../image/declaration.ts'

const dockerfile = readFileSync(join(import.meta.dirname, '../../Dockerfile'), 'utf8')
const values = { BASE: 'r.example/debian:12', VERSION: '0.1.0', SOURCE: 'https://r.example/source' }

/** What instructions of one kind say, continued lines joined. */
function instructions(name: string, text = dockerfile): readonly string[] {
  const lines = text.replaceAll(/\\\n\s*/g, '').split('\n')
  return lines.filter((line) => line.startsWith(`${name} `)).map((line) => line.slice(name.length + 1))
}

describe('the Dockerfile', () => {
  test('runs the bundle of the declared program as the user that the manifests name', () => {
    const [entrypoint = ''] = instructions('ENTRYPOINT')
    const bundled = agentImage.main.replace(/^.*\//, '').replace(/\.ts$/, '.mjs')
    expect(JSON.parse(entrypoint)).toEqual(['/usr/local/bin/node', `/app/${bundled}`])
    expect(instructions('USER')).toEqual(['65532:65532'])
  })

  test('names the ports of the contract', () => {
    expect(instructions('EXPOSE')).toEqual([
      Object.values(agent.ports)
        .map(({ number }) => number)
        .join(' '),
    ])
  })

  test('ends in nothing but what was assembled', () => {
    expect(instructions('FROM').at(-1)).toBe('scratch')
    expect(dockerfile).not.toMatch(/^ADD|latest/m)
  })

  test('of a prepared folder has every argument but those of the builder', () => {
    const prepared = withArguments(dockerfile, values)
    expect(instructions('ARG', prepared)).toEqual([
      'BASE=r.example/debian:12',
      'TARGETARCH',
      'TARGETARCH',
      'VERSION=0.1.0',
      'SOURCE=https://r.example/source',
    ])
  })
})

describe('arguments', () => {
  test('fail if the Dockerfile does not take one', () => {
    expect(() => withArguments('FROM scratch', values)).toThrow(/expected a line 'ARG BASE', got none/)
  })

  test.each(['', 'two words', 'a"quote', 'a\nline', '$VARIABLE'])('fail if a value is %j', (value) => {
    expect(() => withArguments('ARG BASE', { BASE: value })).toThrow(/without spaces or quotes/)
  })
})
