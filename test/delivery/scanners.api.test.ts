import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { dump, load } from 'js-yaml'
import { environments } from '../../environments/index.ts'
import { nameOf } from '../../lib/config/parse.ts'
import type { Manifest } from '../../lib/output/manifest.ts'
import { kubeScoreReasons } from '../../lib/workload/waivers.ts'
import { run } from '../cluster/command-line.ts'
import { cluster } from '../cluster/state.ts'
import { tool } from '../cluster/tools.ts'
import { committed } from './environment.ts'
import { writeServerSchemas } from './schemas.ts'

const building = 900_000
const names = environments.map(nameOf)
let folder = ''
/** checkov takes seconds to start, so it looks at all environments at once: as they are, and without their waivers. */
let waived: CheckovReport
let bare: CheckovReport
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'regent-scanners-'))
  for (const name of names) copyWithoutWaivers(name)
  mkdirSync(join(folder, 'schemas'))
  expect(await writeServerSchemas(join(folder, 'schemas'))).toBeGreaterThan(50)
  ;[waived, bare] = await Promise.all([checkov(committed), checkov(join(folder, 'bare'))])
  for (const { summary } of [waived, bare]) {
    expect(summary.parsing_errors).toBe(0)
    expect(summary.passed).toBeGreaterThan(1000)
  }
}, building)
afterAll(() => {
  const waivers = names.flatMap((name) => waiversOf(name).map((waiver) => `${name}: ${waiver}`))
  console.log(`${waivers.length} exceptions from the scanners' rules\n${waivers.join('\n')}`)
  rmSync(folder, { recursive: true, force: true })
})

/** The same manifests as if nothing had been waived. */
function copyWithoutWaivers(name: string): void {
  const target = join(folder, 'bare', name)
  cpSync(join(committed, name), target, { recursive: true })
  for (const file of filesOf(target)) {
    const manifest = load(readFileSync(file, 'utf8')) as Manifest
    const kept = Object.entries(manifest.metadata.annotations ?? {}).filter(([key]) => !isWaiver(key))
    const metadata = { ...manifest.metadata, annotations: Object.fromEntries(kept) }
    writeFileSync(file, dump({ ...manifest, metadata }, { noRefs: true }))
  }
}

const isWaiver = (key: string) =>
  key.startsWith('checkov.io/') || key.startsWith('kube-score/') || key === kubeScoreReasons

function filesOf(top: string): readonly string[] {
  return readdirSync(top, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
}

/** Every waiver of an environment: the object, the rule and the reason. */
function waiversOf(name: string): readonly string[] {
  return filesOf(join(committed, name)).flatMap((file) => {
    const { kind, metadata } = load(readFileSync(file, 'utf8')) as Manifest
    return Object.entries(metadata.annotations ?? {}).flatMap(([key, value]) => {
      if (key.startsWith('checkov.io/skip')) return [`${kind} ${metadata.name}: ${value.replace('=', ': ')}`]
      return key === kubeScoreReasons ? value.split('; ').map((one) => `${kind} ${metadata.name}: ${one}`) : []
    })
  })
}

interface CheckovReport {
  readonly results: { readonly failed_checks: readonly CheckovFinding[] }
  readonly summary: { readonly passed: number; readonly parsing_errors: number }
}
interface CheckovFinding {
  readonly check_id: string
  readonly resource: string
  /** Below the folder that was scanned: `/staging/0-core/…`. */
  readonly file_path: string
}

async function checkov(top: string): Promise<CheckovReport> {
  const options = ['--framework', 'kubernetes', '--skip-download', '--quiet', '--compact', '-o', 'json']
  const { stdout } = await run([await tool('checkov'), '-d', top, ...options], { seconds: 120 })
  return JSON.parse(stdout) as CheckovReport
}

interface KubeScoreObject {
  readonly object_name: string
  readonly checks: readonly {
    readonly check: { readonly id: string }
    readonly grade: number
    readonly skipped: boolean
  }[]
}

/** Best grade of kube-score. */
const flawless = 10

async function kubeScore(top: string): Promise<{ readonly passed: number; readonly failed: readonly string[] }> {
  const { stdout } = await run([
    await tool('kube-score'),
    'score',
    '-o',
    'json',
    '--kubernetes-version',
    'v1.36',
    ...filesOf(top),
  ])
  const checks = (JSON.parse(stdout) as KubeScoreObject[]).flatMap(({ object_name, checks: all }) =>
    all.filter(({ skipped }) => !skipped).map(({ check, grade }) => ({ what: `${object_name} ${check.id}`, grade })),
  )
  const failed = checks.filter(({ grade }) => grade < flawless).map(({ what }) => what)
  return { passed: checks.length - failed.length, failed }
}

/** `name rule` of every waiver, to compare with what a scanner finds. */
function waivedRules(name: string, ofKubeScore: boolean): readonly string[] {
  return waiversOf(name)
    .map((waiver) => /^\S+ (\S+): (\S+):/.exec(waiver)?.slice(1, 3) ?? [])
    .filter(([, rule = '']) => rule.startsWith('CKV') !== ofKubeScore)
    .map((parts) => parts.join(' '))
    .sort()
}

// What the scanners say does not depend on the API server's version; the schemas do, and one is enough.
const describeScanners = cluster().release === 'oldest' ? describe.skip : describe

describeScanners.each(names)('%s', (name) => {
  test(
    'has nothing that kube-score finds, but for what is waived, and waives nothing else',
    async () => {
      expect((await kubeScore(join(committed, name))).failed).toEqual([])
      const unwaived = await kubeScore(join(folder, 'bare', name))
      const short = unwaived.failed.map((what) => what.split('/').at(-1) ?? '')
      expect([...new Set(short)].sort()).toEqual([...new Set(waivedRules(name, true))])
      expect(unwaived.passed).toBeGreaterThan(40)
    },
    building,
  )

  test('has nothing that checkov finds, but for what is waived, and waives nothing else', () => {
    const found = (report: CheckovReport) =>
      report.results.failed_checks
        .filter(({ file_path }) => file_path.startsWith(`/${name}/`))
        .map(({ check_id, resource }) => `${resource.split('.').at(-1) ?? ''} ${check_id}`)
    expect(found(waived)).toEqual([])
    expect([...new Set(found(bare))].sort()).toEqual(waivedRules(name, false))
  })

  test(
    "fits the running API server's schemas, with every unknown field refused",
    async () => {
      const location = join(folder, 'schemas', '{{.ResourceKind}}{{.KindSuffix}}.json')
      const args = ['-strict', '-output', 'json', '-summary', '-schema-location', location, join(committed, name)]
      const { stdout } = await run([await tool('kubeconform'), ...args])
      const report = JSON.parse(stdout) as { resources?: unknown[]; summary: { valid: number; skipped: number } }
      expect(report.resources ?? []).toEqual([])
      expect(report.summary).toMatchObject({ valid: filesOf(join(committed, name)).length, skipped: 0 })
    },
    building,
  )
})
