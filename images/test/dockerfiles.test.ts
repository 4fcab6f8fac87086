import { existsSync, readFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { agent } from '@regent/contract/agent.ts'
import { controlPlane } from '@regent/contract/control-plane.ts'
import type { Program } from '@regent/contract/program.ts'
import { describe, expect, test } from '@jest/globals'
import { withArguments } from '../context.ts'
import { imageDeclarations } from '../declaration.ts'

const top = join(import.meta.dirname, '../..')
const values = { BASE: 'r.example/debian:12', VERSION: '0.1.0', SOURCE: 'https://r.example/source' }
const programs: readonly Program[] = [agent, controlPlane]

/** What instructions of one kind say, continued lines joined. */
function instructions(name: string, text: string): readonly string[] {
  const lines = text.replaceAll(/\\\n\s*/g, '').split('\n')
  return lines.filter((line) => line.startsWith(`${name} `)).map((line) => line.slice(name.length + 1))
}

describe.each([...imageDeclarations.values()])('the Dockerfile of $name', ({ name, workspace, main }) => {
  const dockerfile = readFileSync(join(top, workspace, 'Dockerfile'), 'utf8')

  test('runs the bundle of the declared program as the user that the manifests name', () => {
    const [entrypoint = ''] = instructions('ENTRYPOINT', dockerfile)
    const bundled = main.replace(/^.*\//, '').replace(/\.ts$/, '.mjs')
    expect(JSON.parse(entrypoint)).toEqual(['/usr/local/bin/node', `/app/${bundled}`])
    expect(instructions('USER', dockerfile)).toEqual(['65532:65532'])
  })

  test('names the ports of the contract', () => {
    const ports = programs.find((program) => program.name === name)?.ports ?? {}
    expect(instructions('EXPOSE', dockerfile)).toEqual([
      Object.values(ports)
        .map(({ number }) => number)
        .join(' '),
    ])
  })

  test('ends in nothing but what was assembled', () => {
    expect(instructions('FROM', dockerfile).at(-1)).toBe('scratch')
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

test.each([...imageDeclarations.values()])('the programs of $name have files and names of their own', (image) => {
  const modules = [image.main, ...image.others]
  for (const file of modules) expect(existsSync(join(top, image.workspace, file))).toBe(true)
  expect(new Set(modules.map((file) => basename(file))).size).toBe(modules.length)
})

describe('arguments', () => {
  test('fail if the Dockerfile does not take one', () => {
    expect(() => withArguments('FROM scratch', values)).toThrow(/expected a line 'ARG BASE', got none/)
  })

  test.each(['', 'two words', 'a"quote', 'a\nline', '$VARIABLE'])('fail if a value is %j', (value) => {
    expect(() => withArguments('ARG BASE', { BASE: value })).toThrow(/without spaces or quotes/)
  })
})
