import { readdir } from 'node:fs/promises'
import { describe, expect, test } from '@jest/globals'
import { acceptedBy, anyJson } from '@regent/contract/test/support/accepted-by.ts'
import { damagedJson } from '@regent/contract/test/support/damaged.ts'
import { refusedBy, type Wrong } from '@regent/contract/test/support/refused-by.ts'
import { recordedLog } from '@regent/runtime/test/support/recorded-log.ts'
import fc from 'fast-check'
import { z } from 'zod'
import { AgentRegistry } from '../../src/agents/agent-registry.ts'
import { eventsOperation } from '../../src/http/events-operation.ts'
import { exportOperation } from '../../src/http/export-operation.ts'
import { agentOperations } from '../../src/http/operations/agents.ts'
import { callerOperations } from '../../src/http/operations/callers.ts'
import { commandOperations } from '../../src/http/operations/commands.ts'
import { keyOperations } from '../../src/http/operations/keys.ts'
import { stateOperations } from '../../src/http/operations/state.ts'
import { parseRequest, type ReceivedParts } from '../../src/http/parse-request.ts'
import { Problem } from '../../src/http/problem.ts'
import { AgentKeys } from '../../src/identity/agent-keys.ts'
import { PeopleTokens } from '../../src/identity/people-tokens.ts'

// What holds of the requests of every operation, made from the schemas that it declares. A failure prints its seed: give
// it to `fc.assert` to see it again.

const nobody = () => Promise.reject(new Error('nothing is performed here'))
const noStore = { get: nobody, list: nobody, count: nobody, transact: nobody }
const { log } = recordedLog()
const registry = new AgentRegistry(noStore)

/** By the file that declares them. */
const declared = {
  agents: agentOperations(registry, log),
  callers: callerOperations(new PeopleTokens(noStore), log),
  commands: commandOperations({
    commands: { create: nobody, get: nobody, list: nobody, cancel: nobody },
    agents: registry,
  }),
  keys: keyOperations(new AgentKeys(noStore)),
  state: stateOperations({ begin: nobody, take: nobody, complete: nobody, abort: nobody }),
} as const

test('no operation is left out', async () => {
  const files = await readdir(new URL('../../src/http/operations/', import.meta.url))
  expect(Object.keys(declared)).toEqual(files.map((file) => file.replace('.ts', '')).sort())
})

type Declared = Parameters<typeof parseRequest>[0]
const operations = [...Object.values(declared).flat(), eventsOperation, exportOperation]

const closed = z.strictObject({})

/** The schemas of all parts; without one there may be nothing in it. */
function schemasOf({ path = closed, query = closed, headers = z.object({}), body = z.undefined() }: Declared) {
  return { path, query, headers, body }
}

/** Every part of a request as the operation takes it. */
function soundParts(operation: Declared): fc.Arbitrary<ReceivedParts> {
  const { path, query, headers, body } = schemasOf(operation)
  return fc.record({
    path: acceptedBy(path),
    query: acceptedBy(query),
    headers: fc
      .tuple(acceptedBy(headers), fc.constantFrom({}, { host: 'a', cookie: 'b', 'x-more': ['c', 'd'] }))
      .map(([known, more]) => Object.fromEntries([...Object.entries(more), ...Object.entries(known as object)])),
    body: acceptedBy(body),
  })
}

/** What is wrong with one part: nothing for one that cannot be wrong. */
function wrongParts(operation: Declared): readonly fc.Arbitrary<Wrong & { readonly part: keyof ReceivedParts }>[] {
  const { path, query, headers, body } = schemasOf(operation)
  const wrongBody =
    body instanceof z.ZodUndefined
      ? anyJson.filter((value) => JSON.stringify(value) !== '{}').map((value): Wrong => ({ value, paths: [[]] }))
      : refusedBy(body)
  const hasHeaders = Object.keys(headers.shape).length > 0
  return [
    refusedBy(path, 'text').map((wrong) => ({ ...wrong, part: 'path' })),
    refusedBy(query, 'text').map((wrong) => ({ ...wrong, part: 'query' })),
    ...(hasHeaders ? [refusedBy(headers, 'text').map((wrong) => ({ ...wrong, part: 'headers' as const }))] : []),
    wrongBody.map((wrong) => ({ ...wrong, part: 'body' })),
  ]
}

function problemOf(operation: Declared, parts: ReceivedParts): Problem | undefined {
  try {
    parseRequest(operation, parts)
    return undefined
  } catch (error) {
    if (error instanceof Problem) return error
    throw error
  }
}

/** Text of the values of an object: numbers of a query arrive as text. */
function asText(values: unknown): Record<string, string> {
  return Object.fromEntries(Object.entries(values as object).map(([name, value]) => [name, String(value)]))
}

describe.each(operations.map((operation) => [operation.id, operation] as const))('a request %s', (_, operation) => {
  const schemas = schemasOf(operation)

  test('is accepted as the operation declares it, and nothing else of it comes through', () => {
    fc.assert(
      fc.property(soundParts(operation), (given) => {
        const parsed = parseRequest(operation, given)
        expect(asText(parsed.path)).toEqual(given.path)
        expect(asText(parsed.query)).toMatchObject(given.query as object)
        for (const part of ['query', 'headers'] as const) {
          const known = Object.keys(schemas[part].shape)
          expect(Object.keys(parsed[part] as object).filter((name) => !known.includes(name))).toEqual([])
        }
        if (given.body === undefined || given.body === null) return
        expect(parsed.body).toMatchObject(given.body)
      }),
      { numRuns: 50 },
    )
  })

  test('fails if anything of it is wrong, and everything that is wrong is named at once', () => {
    const someWrong = fc.subarray([...wrongParts(operation)], { minLength: 1 }).chain((wrong) => fc.tuple(...wrong))
    fc.assert(
      fc.property(soundParts(operation), someWrong, (sound, wrong) => {
        const parts = { ...sound, ...Object.fromEntries(wrong.map(({ part, value }) => [part, value])) }
        const problem = problemOf(operation, parts)
        const named = (part: string): string => (part === 'headers' ? 'header' : part)
        const paths = wrong.flatMap(({ part, paths: inPart }) => inPart.map((path) => [named(part), ...path].join('.')))
        expect(problem?.type).toBe('invalid-request')
        expect(new Set(problem?.problems?.map(({ path }) => path))).toEqual(new Set(paths))
      }),
      { numRuns: 100 },
    )
  })

  test('is refused although everything is wrong of which there can be most', () => {
    const count = 300_000
    const body = Object.fromEntries(Array.from({ length: count }, (_, index) => [`f${index}`, 0]))
    const problem = problemOf(operation, { path: {}, query: {}, headers: {}, body })
    expect(problem?.type).toBe('invalid-request')
    expect(problem?.problems?.length).toBeLessThanOrEqual(50)
  })

  test('is accepted or refused by a problem, however it was damaged', () => {
    const damaged = fc.record({
      path: damagedJson(acceptedBy(schemas.path)),
      query: damagedJson(acceptedBy(schemas.query)),
      headers: fc.constant({}),
      body: fc.oneof(damagedJson(acceptedBy(schemas.body)), anyJson),
    })
    fc.assert(
      fc.property(damaged, (parts) => {
        const problem = problemOf(operation, parts)
        if (problem === undefined) return
        expect(problem.problems?.length).toBeGreaterThan(0)
        expect(JSON.stringify(problem.problems).length).toBeLessThan(100_000)
      }),
      { numRuns: 50 },
    )
  })
})
