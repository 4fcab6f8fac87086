import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { programs } from '../../contract/test/programs.ts'
import { environmentJsonSchema, type FieldSchema } from '../../lib/config/field-index.ts'
import { sentence, table } from '../../lib/config/markdown.ts'
import { programReference } from '../../lib/config/program-reference.ts'
import { configurationReference } from '../../lib/config/reference.ts'
import { referenceFiles, staleReference, writeReference } from '../../lib/config/reference-files.ts'

const projectFolder = join(import.meta.dirname, '../..')
const files = ['docs/configuration.md', 'docs/environment.schema.json', 'docs/programs.md']

/** The tables of a page, by their rows' first cell; cells without their padding. */
function rowsOf(page: string, section = ''): readonly (readonly string[])[] {
  return page
    .slice(page.indexOf(section))
    .split('\n')
    .filter((line) => line.startsWith('| `'))
    .map((line) => line.split(' | ').map((cell) => cell.replaceAll(/^\| | \|$/g, '').trim()))
}

function leaves(field: FieldSchema, path: string): readonly string[] {
  if (field.properties === undefined) return [path]
  return Object.entries(field.properties).flatMap(([key, child]) => leaves(child, path === '' ? key : `${path}.${key}`))
}

describe('the committed documentation', () => {
  test('is what `npm run docs` writes', () => {
    expect(staleReference(projectFolder)).toEqual([])
  })

  test('is the same every time', () => {
    expect([...referenceFiles()]).toEqual([...referenceFiles()])
    expect([...referenceFiles().keys()]).toEqual(files)
  })

  test('holds the whole schema', () => {
    const text = referenceFiles().get('docs/environment.schema.json') ?? ''
    expect(JSON.parse(text)).toEqual(JSON.parse(JSON.stringify(environmentJsonSchema())))
    expect(Math.max(...text.split('\n').map((line) => (line.endsWith('[') ? line.length : 0)))).toBeLessThan(120)
  })
})

describe('the page about settings', () => {
  const rows = rowsOf(configurationReference())

  test('has every setting, once', () => {
    const settings = rows.map(([setting]) => setting)
    expect(settings).toEqual(expect.arrayContaining(leaves(environmentJsonSchema(), '').map((path) => `\`${path}\``)))
    expect(new Set(settings).size).toBe(settings.length)
  })

  test.each([
    ['name', expect.stringContaining('40 at most'), '', '_required_'],
    ['purpose', '`development`, `staging`, `production`', '', '_required_'],
    ['region.weight', 'whole number, 0 to 100', '', '`1`'],
    ['cluster.zones', 'list of 1 to 20: text, 1 to 63 characters', '', '_required_'],
    ['foundation.quota', 'object', '', 'as below'],
    ['foundation.quota.memory', 'bytes with a binary unit, such as "512Mi" or "4Gi"', 'bytes', '`"200Gi"`'],
    ['foundation.storageClasses', 'object, or `null`', '', '`null`'],
    ['agent.leaderElection.enabled', '`true` or `false`', '', '_required_'],
    ['agent.leaderElection.retryPeriodSeconds', 'number, 0.1 to 60, or `null`', 's', '`null`'],
    ['agent.resources.requests.cpu', 'CPUs such as "2", "0.5" or "500m"', 'CPU', '`"100m"`'],
    ['controlPlane.clients.cidrs', 'list of 0 to 16: an address range such as "10.0.0.0/24"', '', '`[]`'],
    ['controlPlane.autoscaling.cpuUtilizationPercent', 'whole number, 1 to 100', '%', '`70`'],
    ['consensus.heartbeatIntervalMilliseconds', 'whole number, 10 to 10000', 'ms', '`1000`'],
  ])('%s', (setting, allowed, unit, fallback) => {
    expect(rows.find(([first]) => first === `\`${setting}\``)).toEqual([
      `\`${setting}\``,
      allowed,
      unit,
      fallback,
      expect.stringMatching(/.{4}/),
    ])
  })

  test('says of each section whether it must be there', () => {
    const page = configurationReference()
    for (const [section, presence] of [
      ['cluster', 'Required.'],
      ['foundation', 'May be left out.'],
      ['consensus', 'Default: `null`.'],
    ]) {
      expect(page).toMatch(new RegExp(`## \`${section}\`\\n\\n.*${presence}\\n`))
    }
  })
})

describe('the page about programs', () => {
  const page = programReference()

  test('has every program of the contract', () => {
    const titles = [...page.matchAll(/^## `(.+)`$/gm)].map(([, title]) => title)
    expect(titles.toSorted()).toEqual(programs.map(({ name }) => name).toSorted())
  })

  test.each(programs.map((program) => [program.name, program] as const))(
    'has everything that %s declares',
    (name, program) => {
      const start = page.indexOf(`## \`${name}\``)
      const end = page.indexOf('\n## ', start)
      const first = rowsOf(page.slice(start, end < 0 ? undefined : end)).map(([cell]) => cell)
      const declared = [
        ...Object.values(program.env).map(({ variable }) => variable),
        ...Object.keys(program.ports),
        ...program.calls.flatMap((call) => (call.to === 'program' ? [call.program] : [])),
        ...program.access.map(({ group, resource }) => (group === '' ? resource : `${resource}.${group}`)),
        ...Object.values(program.metrics).map((metric) => metric.name),
        ...program.writes.map(({ path }) => path),
      ]
      expect(first).toEqual(declared.map((text) => `\`${text}\``))
    },
  )

  test.each([
    ['agent', ['`AGENT_ID`', 'name', '1 to 40 lower-case letters, digits and hyphens', '_required_', '', '']],
    ['agent', ['`LOG_LEVEL`', 'choice', 'one of debug, info, warn, error', '`info`', '', '']],
    ['agent', ['`POD_UID`', 'downward', "the pod's metadata.uid", 'by the kubelet', '', '']],
    ['agent', ['`AGENT_API_KEY_FILE`', 'file', 'the absolute path of a file', expect.any(String), 'yes', 'apiKey']],
    ['control-plane', ['`ETCD_CA_FILE`', 'file', 'the absolute path of a file', expect.any(String), '', 'etcdTls']],
  ])('says of a variable of %s what it is: %j', (program, cells) => {
    const row = rowsOf(page, `## \`${program}\``).find(([first]) => first === cells[0])
    expect(row?.slice(0, -1)).toEqual(cells)
  })

  test('says how each probe asks, whom a program calls and what it may do', () => {
    const agentPage = page.slice(0, page.indexOf('## `control-plane`'))
    expect(agentPage).toMatch(/\| readiness \| `\/readyz` on `health` +\| 0 s +\| 5 s +\| 3 s +\| 2 in a row +\|/)
    expect(agentPage).toMatch(/\| `control-plane` +\| `agents` \| +\|/)
    expect(agentPage).toMatch(/\| `agent` +\| `peer` +\| election \|/)
    expect(agentPage).toMatch(/\| Kubernetes API server \|/)
    expect(agentPage).toMatch(
      /\| get, watch, update +\| `regent-system` +\| `regent-agent-\{agentId\}` \| election +\|/,
    )
    expect(agentPage).toMatch(/\| `peer` +\| 8081 +\| tcp +\| election \|/)
    expect(agentPage).toMatch(/\| `KUBERNETES_SERVICE_HOST` +\| injected .*\| by Kubernetes +\|/)
  })
})

describe('writing it', () => {
  let folder = ''
  const command = (...options: readonly string[]) =>
    spawnSync(process.execPath, [join(projectFolder, 'lib/config/write-reference.ts'), ...options], {
      cwd: folder,
      encoding: 'utf8',
    })

  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'regent-reference-'))
  })
  afterAll(() => rmSync(folder, { recursive: true }))

  test('names what is missing, writes it, and then only what was changed', () => {
    const check = command('--check')
    expect([check.status, check.stdout]).toEqual([1, ''])
    for (const file of files) expect(check.stderr).toContain(`${file} is stale; run \`npm run docs\` and commit it`)
    expect(readdirSync(folder)).toEqual([])

    const write = command()
    expect([write.status, write.stdout]).toEqual([0, files.map((file) => `${file} is written\n`).join('')])
    expect(command('--check').status).toBe(0)

    writeFileSync(join(folder, 'docs/programs.md'), 'edited by hand\n')
    expect(staleReference(folder)).toEqual(['docs/programs.md'])
    expect(writeReference(folder)).toEqual(['docs/programs.md'])
    expect(readFileSync(join(folder, 'docs/programs.md'), 'utf8')).toBe(programReference())
  })

  test('fails if an option is unknown, with the usage', () => {
    const { status, stderr } = command('--chek')
    expect([status, stderr]).toEqual([2, expect.stringContaining('usage: npm run docs [-- --check]')])
  })
})

describe('Markdown', () => {
  test('columns are as wide as what they hold, and bars stay text', () => {
    expect(
      table(
        ['A', 'Longer'],
        [
          ['a|b', 'c'],
          ['', 'd'],
        ],
      ),
    ).toBe(['| A    | Longer |', '| ---- | ------ |', String.raw`| a\|b | c      |`, '|      | d      |'].join('\n'))
  })

  test('a sentence begins large and ends', () => {
    expect(sentence('what it is')).toBe('What it is.')
    expect(sentence('`null` is nothing')).toBe('`null` is nothing.')
  })
})
