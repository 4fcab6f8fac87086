import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { ownershipLine } from '../../lib/output/serialize.ts'
import { ProjectCopy, Session, filesBelow } from './program.ts'

const configMap = 'dev/0-core/50-configmap.regent-system.regent-consensus-membership.yaml'
const stale = `${ownershipLine}\nkind: Thing\n`

const patience = 20_000

describe('synth', () => {
  const session = new Session()
  afterAll(() => session.end())
  let folder = ''
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'regent-synth-'))
  })
  afterAll(() => rmSync(folder, { recursive: true }))

  test(
    'writes; --check names what differs and changes nothing; synth repairs it, leaves foreign files, and --check agrees',
    async () => {
      const out = join(folder, 'deep/new')
      const first = await session.regent('synth', 'dev', '--out', out)
      expect(first).toMatchObject({ code: 0, stderr: '' })
      const correct = filesBelow(out)
      const { length } = Object.keys(correct)
      expect(length).toBeGreaterThan(20)
      const [summary, ...created] = first.stdout.split('\n')
      expect(summary).toBe(`${out}: 1 environment, ${length} objects: ${length} created, 0 changed, 0 removed`)
      expect(created.slice(0, 20)).toEqual(created.slice(0, 20).toSorted())
      expect(created.slice(20)).toEqual([`  … and ${length - 20} more`, ''])
      writeFileSync(join(out, configMap), `${ownershipLine}\nkind: Edited\n`)
      writeFileSync(join(out, 'dev/0-core/99-thing.stale.yaml'), stale)
      rmSync(join(out, 'dev/0-core/00-namespace.regent-system.yaml'))
      writeFileSync(join(out, 'dev/notes.txt'), 'mine\n')
      const others = { 'dev/notes.txt': 'mine\n', 'old/0-core/99-thing.stale.yaml': stale }
      mkdirSync(join(out, 'old/0-core'), { recursive: true })
      writeFileSync(join(out, 'old/0-core/99-thing.stale.yaml'), stale)
      const broken = filesBelow(out)

      const checked = await session.regent('synth', 'dev', '--out', out, '--check')
      expect(checked).toMatchObject({ code: 1, stdout: '' })
      expect(checked.stderr.split('\n')).toEqual([
        expect.stringContaining(`warning: ${out}/dev/notes.txt: expected a file that synthesizing wrote`),
        `differs: ${out}/${configMap}`,
        `missing: ${out}/dev/0-core/00-namespace.regent-system.yaml`,
        `stale: ${out}/dev/0-core/99-thing.stale.yaml`,
        `error: ${out}: 1 environment, ${length} objects, not up to date; run 'npx regent synth'`,
        '',
      ])
      expect(filesBelow(out)).toEqual(broken)

      const repaired = await session.regent('synth', 'dev', '--out', out)
      expect(repaired.code).toBe(0)
      expect(repaired.stderr).toContain(`warning: ${out}/dev/notes.txt`)
      expect(repaired.stdout.split('\n')).toEqual([
        `${out}: 1 environment, ${length} objects: 1 created, 1 changed, 1 removed`,
        '  created dev/0-core/00-namespace.regent-system.yaml',
        `  changed ${configMap}`,
        '  removed dev/0-core/99-thing.stale.yaml',
        '',
      ])
      expect(filesBelow(out)).toEqual({ ...correct, ...others })
      rmSync(join(out, 'dev/notes.txt'))
      expect(await session.regent('synth', 'dev', '--out', out, '--check')).toEqual({
        code: 0,
        stderr: '',
        stdout: `${out}: 1 environment, ${length} objects, up to date\n`,
      })
    },
    patience,
  )

  test(
    'refuses an output folder that is a file',
    async () => {
      const out = join(folder, 'file')
      writeFileSync(out, 'mine\n')
      const { code, stdout, stderr } = await session.regent('synth', 'dev', '--out', out)
      expect({ code, stdout }).toEqual({ code: 1, stdout: '' })
      expect(stderr).toBe(`error: ${out}: expected a folder, got a file at ${out}; choose another output folder\n`)
    },
    patience,
  )
})

describe('synth of a project', () => {
  const copy = new ProjectCopy()
  afterAll(() => copy.remove())

  test(
    'and cdk8s synth write the same, and leave it alone where anything is wrong',
    async () => {
      const gone = 'dist/gone/0-core/99-thing.yaml'
      const leaveOne = () => {
        mkdirSync(copy.path('dist/gone/0-core'), { recursive: true })
        copy.write(gone, stale)
        copy.write('dist/gone/mine.txt', 'mine\n')
      }
      leaveOne()
      expect(await copy.regent('synth')).toMatchObject({ code: 0 })
      const ours = filesBelow(copy.path('dist'))
      expect(Object.keys(ours).length).toBeGreaterThan(90)
      expect(existsSync(copy.path(gone))).toBe(false)

      rmSync(copy.path('dist'), { recursive: true })
      leaveOne()
      const cdk8s = await copy.cdk8sSynth()
      expect(cdk8s.code).toBe(0)
      expect(filesBelow(copy.path('dist'))).toEqual(ours)
      expect(cdk8s.stderr).toContain('warning: dist/gone/mine.txt: expected')

      copy.edit('environments/staging.ts', 'replicas: 2,', 'replica: 2,')
      copy.edit('environments/dev.ts', "maxCpu: '4'", 'maxCpu: 4')
      const problems = [
        'error: dev.agent.sessions.maxCpu: expected a text (CPU), got 4',
        'error: staging.agent.replica: expected one of',
        'error: staging.agent.replicas: expected a whole number from 1 to 9',
      ]
      const refused = await copy.cdk8sSynth()
      expect(refused.stderr).toContain('returned a non-zero exit code 1')
      for (const failed of [await copy.regent('synth'), refused]) {
        expect(failed.code).toBe(1)
        const lines = failed.stderr.split('\n').filter((line) => /^error: (dev|staging)\./.test(line))
        expect(lines.map((line, index) => line.slice(0, problems[index]?.length))).toEqual(problems)
        expect(filesBelow(copy.path('dist'))).toEqual(ours)
      }
    },
    2 * patience,
  )
})
