import { afterAll, afterEach, describe, expect, test } from '@jest/globals'
import { format, resolveConfig } from 'prettier'
import { readSiteFile, siteFileText } from '../../cli/site-file.ts'
import { answerProblems } from '../../cli/site-problems.ts'
import { project, ProjectCopy, Session } from './program.ts'

const site = 'environments/site.ts'

describe('a site file', () => {
  const comment = '/**\n * What a fork must change.\n */\n'
  const long = Array.from({ length: 12 }, (_, index) => `10.${index}.0.0/24`)

  test.each([
    ['texts and lists', { domain: 'example.com', ranges: ['10.0.0.0/24'], deeper: { 'a-b': ['x'], ok: 'y' } }],
    ['a list that is too long for a line', { ranges: long, deeper: { 'production-us-east-1': long } }],
    ['a list that just fits and one that just does not', fitting()],
    ['quotes and backslashes', { a: "it's", b: 'say "so"', c: `it's "so"`, d: 'back\\slash', e: 'line\nbreak' }],
    ['nothing in places', { none: [], empty: {}, text: '' }],
  ])('is written as the formatter would leave it: %s', async (_, value) => {
    const text = siteFileText({ comment, site: value })
    const options = (await resolveConfig(`${project}/${site}`)) ?? {}
    expect(text).toBe(await format(text, { ...options, parser: 'typescript' }))
    expect(readSiteFile(text, value)).toEqual({ comment, site: value })
  })

  function fitting() {
    const item = (length: number) => 'x'.repeat(length)
    // `  fits: ['…'],` and the same in one character more.
    return { fits: [item(120 - "  fits: [''],".length)], wont: [item(121 - "  wont: [''],".length)] }
  }

  test.each([
    ['a value that is computed', `${comment}export const site = { domain: ['a', 'b'].join('.') } as const\n`, 'a.b'],
    ['a second comment', `${comment}export const site = {\n  // mine\n  domain: 'a.b',\n} as const\n`, 'a.b'],
    ['another export', `${comment}export const site = {\n  domain: 'a.b',\n} as const\nexport const more = 1\n`, 'a.b'],
    ['another value than it says', `${comment}export const site = {\n  domain: 'a.b',\n} as const\n`, 'c.d'],
  ])('is not read if it holds %s', (_, text, domain) => {
    expect(readSiteFile(text, { domain })).toBeUndefined()
  })

  test('is not read if it holds anything but texts', () => {
    expect(readSiteFile('', { port: 1 })).toBeUndefined()
    expect(readSiteFile('', undefined)).toBeUndefined()
  })
})

describe('answers', () => {
  const good = {
    repository: 'https://git.example.com/platform/regent',
    registry: 'registry.example.com/regent',
    domain: 'example.com',
    apiServer: new Map([['staging', ['10.1.0.0/24']]]),
  }

  test('that follow the rules of the environments have no problems', () => {
    expect(answerProblems(good)).toEqual([])
  })

  test.each([
    ['--repository', { repository: 'http://git.example.com/regent' }],
    ['--repository', { repository: 'https://user:password@git.example.com/regent' }],
    ['--registry', { registry: 'https://registry.example.com' }],
    ['--domain', { domain: 'https://example.com' }],
    ['--domain', { domain: 'example.com:8443' }],
    ['--domain', { domain: 'Example.com' }],
    ['--domain', { domain: 'example.com/path' }],
    ['--domain', { domain: '' }],
    ['--api-server staging', { apiServer: new Map([['staging', ['10.1.0.0']]]) }],
    ['--api-server staging', { apiServer: new Map([['staging', ['10.1.0.0/24', '']]]) }],
  ])('fails if %s is wrong: %j', (path, wrong) => {
    expect(answerProblems({ ...good, ...wrong }).map((problem) => problem.path)).toEqual([path])
  })
})

describe('init', () => {
  const copy = new ProjectCopy()
  const original = copy.read(site)
  afterEach(() => copy.write(site, original))
  // For what is answered before the environments are read.
  const session = new Session(copy.folder)
  afterAll(() => {
    session.end()
    copy.remove()
  })
  const good = [
    '--repository',
    'https://git.example.com/p/regent',
    '--registry',
    'r.example.com/p',
    '--domain',
    'a.example.com',
  ]

  test('shows the difference, and writes it only with --write', async () => {
    const args = [
      'init',
      ...good,
      '--api-server',
      'staging=10.1.0.0/24,10.2.0.0/24',
      '--api-server',
      'staging=10.3.0.0/24',
    ]
    const shown = await copy.regent(...args)
    expect(shown).toMatchObject({ code: 0, stderr: 'environments/site.ts was not changed: add --write\n' })
    expect(shown.stdout.split('\n').filter((line) => /^(---|\+\+\+|[-+]|@@)/.test(line))).toEqual([
      '--- a/environments/site.ts',
      '+++ b/environments/site.ts',
      expect.stringMatching(/^@@ -[0-9]+,[0-9]+ \+[0-9]+,[0-9]+ @@$/),
      "-  repositoryUrl: 'https://github.com/regent-dev/regent',",
      "-  registry: 'ghcr.io/regent-dev',",
      "-  domain: 'regent.example',",
      "+  repositoryUrl: 'https://git.example.com/p/regent',",
      "+  registry: 'r.example.com/p',",
      "+  domain: 'a.example.com',",
      "-    staging: ['10.10.0.0/24'],",
      "+    staging: ['10.1.0.0/24', '10.2.0.0/24', '10.3.0.0/24'],",
    ])
    expect(copy.read(site)).toBe(original)

    const written = await copy.regent(...args, '--write')
    expect(written).toMatchObject({ code: 0, stdout: shown.stdout })
    const after = copy.read(site)
    expect(after).toContain("domain: 'a.example.com',")
    expect(after).toContain("'production-us-east-1': ['10.20.0.0/24'],")
    expect(after.split('*/')[0]).toBe(original.split('*/')[0])
  }, 20_000)

  test('reports every wrong value at once and changes nothing', async () => {
    const { code, stdout, stderr } = await session.regent(
      ...['init', '--repository', 'git@example.com:regent', '--registry', 'Registry', '--domain', 'a b', '--write'],
      ...['--api-server', 'staging=10.1.0.0/33'],
    )
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' })
    expect(stderr.split('\n')).toEqual([
      'error: --api-server staging: expected an address range such as "10.0.0.0/24", got "10.1.0.0/33"; correct it',
      'error: --domain: expected a domain such as "example.com", got "a b"; correct it',
      'error: --registry: expected a registry with a path, such as "registry.example.com/regent", got "Registry"; correct it',
      'error: --repository: expected an https URL without credentials, got "git@example.com:regent"; correct it',
      'error: nothing was changed',
      '',
    ])
    expect(copy.read(site)).toBe(original)
  })

  test('changes nothing if an environment would not be valid afterwards', async () => {
    const { code, stdout, stderr } = await copy.regent('init', ...good, '--api-server', 'staging=0.0.0.0/0', '--write')
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' })
    expect(stderr).toContain('error: staging.cluster.apiServer.cidrs: expected the address ranges of')
    expect(stderr).toContain('error: nothing was changed: with these values the environments are not valid\n')
    expect(copy.read(site)).toBe(original)
  })

  test('has nothing to change if the file says so already', async () => {
    const same = ['--repository', 'https://github.com/regent-dev/regent', '--registry', 'ghcr.io/regent-dev']
    expect(await session.regent('init', ...same, '--domain', 'regent.example', '--write')).toEqual({
      code: 0,
      stdout: 'environments/site.ts: nothing to change\n',
      stderr: '',
    })
  })

  test('refuses a file that it would lose something of', async () => {
    copy.edit(site, "  domain: 'regent.example',", "  // Ours.\n  domain: 'regent.example',")
    const before = copy.read(site)
    const { code, stdout, stderr } = await copy.regent('init', ...good, '--write')
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' })
    expect(stderr).toMatch(/^error: environments\/site\.ts: expected its comment and one object of texts and lists/)
    expect(copy.read(site)).toBe(before)
  })

  test('a range of an environment that has none there is a mistake in usage', async () => {
    const { code, stdout, stderr } = await session.regent('init', ...good, '--api-server', 'stagin=10.0.0.0/24')
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' })
    expect(stderr).toBe(
      "error: environments/site.ts has no ranges of 'stagin', did you mean 'staging'?; it has those of staging, production-us-east-1, production-eu-west-1, production-ap-southeast-1\n",
    )
  })
})
