import { describe, expect, test } from '@jest/globals'
import { agent } from '../agent.ts'
import { controlPlane } from '../control-plane.ts'
import { defaultOf, type Parsed, parseSettings, program, type Settings, to } from '../program.ts'

const probe = {
  port: 'health',
  path: '/livez',
  initialDelaySeconds: 0,
  periodSeconds: 1,
  timeoutSeconds: 1,
  failureThreshold: 1,
} as const

const sample = program('sample', {
  env: {
    id: { variable: 'ID', type: 'name', max: 5, description: 'who it is' },
    replicas: { variable: 'REPLICAS', type: 'integer', min: 1, max: 9, description: 'how many there are' },
    level: {
      variable: 'LEVEL',
      type: 'choice',
      choices: ['low', 'high'],
      default: 'low',
      description: 'how loud it is',
    },
    verbose: { variable: 'VERBOSE', type: 'boolean', default: false, description: 'whether it says more' },
    drainSeconds: { variable: 'DRAIN_SECONDS', type: 'seconds', min: 0, max: 60, default: 0, description: 'its time' },
    endpoints: { variable: 'ENDPOINTS', type: 'urls', schemes: ['http'], description: 'whom it asks' },
    keyFile: {
      variable: 'KEY_FILE',
      type: 'file',
      secret: true,
      when: 'apiKey',
      default: '/key',
      description: 'what it knows',
    },
    issuer: { variable: 'ISSUER', type: 'url', schemes: ['https'], when: 'oidc', description: 'whom it trusts' },
    admins: {
      variable: 'ADMINS',
      type: 'texts',
      fewest: 1,
      most: 3,
      max: 20,
      when: 'oidc',
      description: 'whom it obeys',
    },
    claim: { variable: 'CLAIM', type: 'word', max: 9, when: 'oidc', default: 'sub', description: 'what it looks at' },
    podName: { variable: 'POD_NAME', type: 'downward', fieldPath: 'metadata.name', description: 'its pod' },
  },
  ports: { health: { number: 8080, speaks: 'http' } },
  probes: { startup: probe, liveness: probe, readiness: probe },
  calls: [],
  access: [],
  metrics: {},
  writes: [],
})

const complete = { ID: 'a', REPLICAS: '2', ENDPOINTS: 'http://b,http://c', POD_NAME: 'sample-0' }

describe('parsing the settings of a program', () => {
  test('defaults stand where nothing is set, also false and 0', () => {
    expect(parseSettings(sample, complete)).toEqual({
      settings: {
        id: 'a',
        replicas: 2,
        level: 'low',
        verbose: false,
        drainSeconds: 0,
        endpoints: ['http://b', 'http://c'],
        keyFile: '/key',
        issuer: undefined,
        admins: undefined,
        claim: 'sub',
        podName: 'sample-0',
      },
    })
  })

  test('a part is on where one of its variables is set, and then all of them are read', () => {
    expect(parseSettings(sample, { ...complete, ISSUER: 'https://i', ADMINS: '["a, b"]' })).toMatchObject({
      settings: { issuer: 'https://i', admins: ['a, b'], claim: 'sub' },
    })
  })

  test.each([
    ['ISSUER', 'https://i', ['ADMINS']],
    ['ADMINS', '["a"]', ['ISSUER']],
    ['CLAIM', 'groups', ['ISSUER', 'ADMINS']],
  ])('fails if only %s of a part is set, and says what it goes with', (variable, text, missing) => {
    const parsed = parseSettings(sample, { ...complete, [variable]: text })
    expect(parsed).toMatchObject({
      problems: missing.map((path) => ({
        path,
        received: 'nothing',
        expected: expect.stringContaining(`, because ${variable} is set`),
      })),
    })
  })

  test('what is set wins over the default, and what is not declared is left alone', () => {
    const parsed = parseSettings(sample, { ...complete, LEVEL: 'high', VERBOSE: 'true', KEY_FILE: '/k', PATH: '/bin' })
    expect(parsed).toMatchObject({ settings: { level: 'high', verbose: true, keyFile: '/k' } })
    expect(parsed).not.toHaveProperty('settings.PATH')
  })

  test('fails with every problem at once, in the order of the declaration', () => {
    const parsed = parseSettings(sample, {
      ...complete,
      ID: 'A',
      REPLICAS: undefined,
      VERBOSE: 'yes',
      ENDPOINTS: 'ftp://a',
    })
    expect(parsed).toEqual({
      problems: [
        {
          path: 'ID',
          received: '"A"',
          expected: '1 to 5 lower-case letters, digits and hyphens',
          fix: 'set ID: who it is',
          severity: 'error',
        },
        {
          path: 'REPLICAS',
          received: 'nothing',
          expected: 'a whole number from 1 to 9',
          fix: 'set REPLICAS: how many there are',
          severity: 'error',
        },
        expect.objectContaining({ path: 'VERBOSE', received: '"yes"' }),
        expect.objectContaining({ path: 'ENDPOINTS', received: '"ftp://a"' }),
      ],
    })
  })

  test.each(Object.keys(complete))('fails without %s alone', (variable) => {
    const parsed = parseSettings(sample, { ...complete, [variable]: undefined })
    expect(parsed).toMatchObject({ problems: [{ path: variable, received: 'nothing' }] })
  })

  test('fails if a variable is empty, even where it has a default', () => {
    const empty = Object.fromEntries(Object.values(sample.env).map(({ variable }) => [variable, '']))
    const parsed = parseSettings(sample, empty)
    expect('problems' in parsed && parsed.problems.map(({ path }) => path)).toEqual(Object.keys(empty))
  })

  test('fails without the text of a secret', () => {
    const parsed = parseSettings(sample, { ...complete, KEY_FILE: 'sesame', ENDPOINTS: 'http://a:sesame@b' })
    expect('problems' in parsed && parsed.problems.map(({ path }) => path)).toEqual(['ENDPOINTS', 'KEY_FILE'])
    expect(JSON.stringify(parsed)).not.toContain('sesame')
  })

  test('the default of a variable, also where it is false or 0', () => {
    expect(defaultOf(sample.env.verbose)).toBe(false)
    expect(defaultOf(sample.env.drainSeconds)).toBe(0)
    expect(defaultOf(sample.env.id)).toBeUndefined()
  })

  test('a call names the program and its port', () => {
    expect(to(sample, 'health')).toEqual({ to: 'program', program: 'sample', port: 'health' })
  })
})

/** The compiler is what runs these: without the error that each expects, `tsc` fails. */
describe('types', () => {
  const required = { id: 'a', replicas: 1, endpoints: ['http://b'] } as const

  test('settings take what is required, and defaulted ones at will', () => {
    const few: Settings<typeof sample> = required
    const many: Settings<typeof sample> = { ...required, level: 'high', keyFile: undefined }
    expect([few, many]).toHaveLength(2)
  })

  test('settings refuse a missing key, an unknown one and what the kubelet fills in', () => {
    // @ts-expect-error `endpoints` is required
    const missing: Settings<typeof sample> = { id: 'a', replicas: 1 }
    // @ts-expect-error nobody reads `color`
    const unknown: Settings<typeof sample> = { ...required, color: 'red' }
    // @ts-expect-error the kubelet fills in the name of the pod
    const downward: Settings<typeof sample> = { ...required, podName: 'sample-0' }
    // @ts-expect-error a number, not its text
    const text: Settings<typeof sample> = { ...required, replicas: '1' }
    // @ts-expect-error neither `low` nor `high`
    const choice: Settings<typeof sample> = { ...required, level: 'middle' }
    expect([missing, unknown, downward, text, choice]).toHaveLength(5)
  })

  test('what a program reads is complete and typed', () => {
    const read = (settings: Parsed<typeof sample>): readonly [number, 'low' | 'high', readonly string[], string] => [
      settings.replicas,
      settings.level,
      settings.endpoints,
      settings.podName,
    ]
    // @ts-expect-error there is no variable for it
    const unread = (settings: Parsed<typeof sample>): unknown => settings.color
    expect([read, unread]).toHaveLength(2)
  })

  test('what an optional part has no default for may be left out, and may be absent', () => {
    const settings: Settings<typeof sample> = { ...required, issuer: 'https://i' }
    // @ts-expect-error the part may be off
    const read = (parsed: Parsed<typeof sample>): string => parsed.issuer
    const defaulted = (parsed: Parsed<typeof sample>): string => parsed.claim
    expect([settings, read, defaulted]).toHaveLength(3)
  })

  test('a declaration cannot probe a port that it does not open', () => {
    const rest = { calls: [], access: [], metrics: {}, writes: [] }
    const declare = [
      () =>
        program('wrong', {
          ...rest,
          env: {},
          ports: { health: { number: 8080, speaks: 'http' } },
          // @ts-expect-error there is no port `helth`
          probes: { startup: probe, liveness: probe, readiness: { ...probe, port: 'helth' } },
        }),
      // @ts-expect-error the control plane has no port `agent`
      () => to(controlPlane, 'agent'),
    ]
    expect(declare).toHaveLength(2)
  })

  test('the agent can be configured by what an environment knows', () => {
    const settings: Settings<typeof agent> = {
      agentId: 'a',
      replicas: 3,
      region: 'local',
      controlPlaneUrl: 'http://localhost:8001',
      sessionNamespace: 'regent-sessions',
      maxCpu: '4',
      maxMemory: '8Gi',
      leaderElection: true,
    }
    expect(Object.keys(settings)).toHaveLength(8)
  })
})
