import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { expectation, parseVariable, type ValueOf, type Variable, variableText } from '../variable.ts'

const about = { variable: 'SUBJECT', description: 'what the tests are about' } as const

const variables = {
  name: { ...about, type: 'name', max: 10 },
  seconds: { ...about, type: 'seconds', min: 0, max: 600 },
  positiveSeconds: { ...about, type: 'seconds', min: 0.1, max: 60 },
  integer: { ...about, type: 'integer', min: 1, max: 9 },
  boolean: { ...about, type: 'boolean' },
  choice: { ...about, type: 'choice', choices: ['debug', 'info'] },
  choices: { ...about, type: 'choices', choices: ['debug', 'info', 'warn'] },
  word: { ...about, type: 'word', max: 10 },
  texts: { ...about, type: 'texts', fewest: 1, most: 3, max: 10 },
  url: { ...about, type: 'url', schemes: ['http', 'https'] },
  urls: { ...about, type: 'urls', schemes: ['https'] },
  file: { ...about, type: 'file', secret: false },
  secretFile: { ...about, type: 'file', secret: true },
  quantity: { ...about, type: 'quantity' },
  downward: { ...about, type: 'downward', fieldPath: 'metadata.name' },
  injected: { ...about, type: 'injected' },
  address: { ...about, type: 'address' },
  ranges: { ...about, type: 'ranges', most: 3 },
} as const satisfies Record<string, Variable>
type Key = keyof typeof variables

const cases: readonly { key: Key; good: readonly [string, unknown][]; bad: readonly string[] }[] = [
  {
    key: 'name',
    good: [
      ['a', 'a'],
      ['7', '7'],
      ['us-east--1', 'us-east--1'],
    ],
    bad: ['', '-a', 'a-', 'A', 'a.b', 'a/b', 'a_b', 'ä', 'a\n', 'a'.repeat(11)],
  },
  {
    key: 'seconds',
    good: [
      ['0', 0],
      ['1.5', 1.5],
      ['600', 600],
      ['1e-7', 1e-7],
    ],
    bad: ['', ' 1', '1s', '-1', '600.1', '1,5', '.5', '5.', 'NaN', 'Infinity', '0x10', '1e2'],
  },
  { key: 'positiveSeconds', good: [['0.1', 0.1]], bad: ['0', '0.09', '60.01'] },
  {
    key: 'integer',
    good: [
      ['1', 1],
      ['9', 9],
    ],
    bad: ['', '0', '10', '1.5', '1.0', '+1', '-1', '1e0', '0x1', 'one'],
  },
  {
    key: 'boolean',
    good: [
      ['true', true],
      ['false', false],
    ],
    bad: ['', 'True', 'FALSE', '1', '0', 'yes', 'no', 'true '],
  },
  { key: 'choice', good: [['info', 'info']], bad: ['', 'INFO', 'info,debug', 'warn'] },
  {
    key: 'choices',
    good: [
      ['info', ['info']],
      ['warn,debug', ['warn', 'debug']],
    ],
    bad: ['', 'INFO', 'info,', ',info', 'info, debug', 'info,info', 'info,error', '["info"]'],
  },
  {
    key: 'word',
    good: [
      ['sub', 'sub'],
      ['https://a', 'https://a'],
    ],
    bad: ['', 'a b', ' a', 'a\n', 'ä', 'a\u202e', 'a\0', 'a'.repeat(11)],
  },
  {
    key: 'texts',
    good: [
      ['["a"]', ['a']],
      ['["CN=a,O=b", "ä ö", "$(A)"]', ['CN=a,O=b', 'ä ö', '$(A)']],
      ['["__proto__"]', ['__proto__']],
      ['["a","a"]', ['a', 'a']],
    ],
    bad: [
      '',
      'a',
      '"a"',
      '[]',
      '["a"',
      '[""]',
      '[1]',
      '[null]',
      '[["a"]]',
      '{"0":"a"}',
      '["a\\n"]',
      '["a\\u0000"]',
    ].concat(['["a","b","c","d"]', `["${'a'.repeat(11)}"]`, 'null']),
  },
  {
    key: 'url',
    good: [
      ['http://localhost:8000', 'http://localhost:8000'],
      ['https://api.example.com/v1', 'https://api.example.com/v1'],
      ['http://[::1]:8000', 'http://[::1]:8000'],
    ],
    bad: [
      '',
      'localhost:8000',
      'ftp://example.com',
      'http:example.com',
      'http:\\\\example.com',
      'http://',
      'http://user@example.com',
      'http://user:word@example.com',
      'http://example.com?a=b',
      'http://example.com?',
      'http://example.com#a',
      'http://example.com#',
      ' http://example.com',
      'http://exa mple.com',
      'http://example.com\n',
    ],
  },
  {
    key: 'urls',
    good: [
      ['https://a:2379', ['https://a:2379']],
      ['https://a:2379,https://b:2379', ['https://a:2379', 'https://b:2379']],
    ],
    bad: ['', 'http://a:2379', 'https://a,', ',https://a', 'https://a,http://b', 'https://a;https://b https://c'],
  },
  { key: 'file', good: [['/etc/regent/ca.crt', '/etc/regent/ca.crt']], bad: ['', '/', 'ca.crt', './ca.crt', '/a\0b'] },
  {
    key: 'quantity',
    good: [
      ['4', '4'],
      ['0.5', '0.5'],
      ['500m', '500m'],
      ['16Gi', '16Gi'],
      ['500M', '500M'],
    ],
    bad: ['', 'Gi', '16 Gi', '16gi', '16GiB', '-1', '1e3', '1.', '4CPU'],
  },
  { key: 'downward', good: [['regent-agent-0', 'regent-agent-0']], bad: [''] },
  { key: 'injected', good: [['10.96.0.1', '10.96.0.1']], bad: [''] },
  {
    key: 'address',
    good: [
      ['::', '::'],
      ['0.0.0.0', '0.0.0.0'],
      ['fd00::1', 'fd00::1'],
    ],
    bad: ['', 'localhost', '[::]', '127.0.0.1:80', '127.1', '256.0.0.1', '::/0', ' ::'],
  },
  {
    key: 'ranges',
    good: [
      ['none', []],
      ['10.0.0.0/24', ['10.0.0.0/24']],
      ['10.0.0.1/32,fd00:1::/32,::1/128', ['10.0.0.1/32', 'fd00:1::/32', '::1/128']],
    ],
    bad: [
      ...[
        '',
        'none,10.0.0.0/24',
        '10.0.0.0',
        '10.0.0.0/',
        '10.0.0.0/33',
        '10.0.0/24',
        '10.0.0.0/08',
        '10.0.0.0/24/8',
        '::/129',
        'a/8',
      ],
      ...['0.0.0.0/0', '::/0', ',', '10.0.0.0/24,', '10.0.0.0/24, 10.0.1.0/24', 'fe80::1%eth0/64', '/24'],
      '1.0.0.0/8,2.0.0.0/8,3.0.0.0/8,4.0.0.0/8',
    ],
  },
]

describe('parsing one variable', () => {
  for (const { key, good, bad } of cases) {
    test.each(good)(`${key} accepts %j`, (text, value) => {
      expect(parseVariable(variables[key], text)).toEqual({ value })
    })

    test.each(bad)(`${key} refuses %j`, (text) => {
      expect(parseVariable(variables[key], text)).toMatchObject({
        path: 'SUBJECT',
        expected: expectation(variables[key]),
        fix: 'set SUBJECT: what the tests are about',
        severity: 'error',
      })
    })
  }

  test('a problem repeats what was received', () => {
    expect(parseVariable(variables.integer, '10')).toMatchObject({
      received: '"10"',
      expected: 'a whole number from 1 to 9',
    })
  })

  test('a problem never repeats a secret that stands where its file should', () => {
    expect(JSON.stringify(parseVariable(variables.secretFile, 'sesame'))).not.toContain('sesame')
    expect(JSON.stringify(parseVariable(variables.file, 'sesame'))).toContain('sesame')
  })

  test.each(['http://user:sesame@example.com', 'http://example.com?token=sesame', 'http:user:sesame@example.com'])(
    'a problem never repeats the credentials of %s',
    (text) => {
      expect(JSON.stringify(parseVariable(variables.url, text))).not.toContain('sesame')
      expect(JSON.stringify(parseVariable(variables.urls, `https://a,${text}`))).not.toContain('sesame')
    },
  )
})

const host = fc.webUrl({ validSchemes: ['https'], withQueryParameters: false, withFragments: false })
const values: { readonly [K in Key]: fc.Arbitrary<ValueOf<(typeof variables)[K]>> } = {
  name: fc.stringMatching(/^[a-z0-9]([-a-z0-9]{0,8}[a-z0-9])?$/),
  seconds: fc.double({ min: 0, max: 600, noNaN: true }),
  positiveSeconds: fc.double({ min: 0.1, max: 60, noNaN: true }),
  integer: fc.integer({ min: 1, max: 9 }),
  boolean: fc.boolean(),
  choice: fc.constantFrom('debug', 'info'),
  choices: fc.subarray(['debug', 'info', 'warn'] as const, { minLength: 1 }),
  word: fc.stringMatching(/^[!-~]{1,10}$/),
  texts: fc.array(
    fc.string({ minLength: 1, maxLength: 10 }).filter((text) => /^\P{Cc}+$/u.test(text)),
    { minLength: 1, maxLength: 3 },
  ),
  url: host,
  urls: fc.array(
    host.filter((url) => !url.includes(',')),
    { minLength: 1, maxLength: 5 },
  ),
  file: fc.stringMatching(/^\/[a-z][-./a-z]{0,30}$/),
  secretFile: fc.stringMatching(/^\/[a-z][-./a-z]{0,30}$/),
  quantity: fc.stringMatching(/^[0-9]{1,6}(\.[0-9]{1,3})?(m|k|Ki|M|Mi|G|Gi|T|Ti)?$/),
  downward: fc.string({ minLength: 1 }),
  injected: fc.string({ minLength: 1 }),
  address: fc.oneof(fc.ipV4(), fc.ipV6()),
  ranges: fc.array(
    fc.oneof(
      fc.tuple(fc.ipV4(), fc.integer({ min: 1, max: 32 })).map((parts) => parts.join('/')),
      fc.tuple(fc.ipV6(), fc.integer({ min: 1, max: 128 })).map((parts) => parts.join('/')),
    ),
    { maxLength: 3 },
  ),
}

describe('what a manifest writes, a program reads', () => {
  test.each(Object.keys(variables) as Key[])('%s', (key) => {
    const arbitrary: fc.Arbitrary<string | number | boolean | readonly string[]> = values[key]
    fc.assert(
      fc.property(arbitrary, (value) => {
        expect(parseVariable(variables[key], variableText(variables[key], value))).toEqual({ value })
      }),
    )
  })

  test.each(Object.keys(variables) as Key[])(
    'any text is a value of %s that reads the same again, or a problem',
    (key) => {
      fc.assert(
        fc.property(fc.string({ unit: 'binary' }), (text) => {
          const parsed = parseVariable(variables[key], text)
          if ('value' in parsed)
            expect(parseVariable(variables[key], variableText(variables[key], parsed.value))).toEqual(parsed)
          else expect(parsed.received).not.toBe('')
        }),
      )
    },
  )
})

describe('what a variable accepts, in words', () => {
  test.each([
    ['name', '1 to 10 lower-case letters, digits and hyphens'],
    ['seconds', 'a number of seconds from 0 to 600'],
    ['integer', 'a whole number from 1 to 9'],
    ['boolean', '`true` or `false`'],
    ['choice', 'one of debug, info'],
    ['url', 'one http or https URL without credentials, query or fragment'],
    ['urls', 'https URLs separated by commas, without credentials, query or fragment'],
    ['file', 'the absolute path of a file'],
    ['quantity', 'a quantity of Kubernetes, such as 500m, 4 or 16Gi'],
    ['downward', "the pod's metadata.name"],
    ['injected', 'what Kubernetes sets in every container'],
    ['address', 'an IPv4 or IPv6 address'],
    [
      'ranges',
      '`none`, or at most 3 address ranges such as 10.0.0.0/24 separated by commas, none of them every address',
    ],
  ] as const)('%s', (key, words) => {
    expect(expectation(variables[key])).toBe(words)
  })
})
