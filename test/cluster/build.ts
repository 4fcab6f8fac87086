import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { glob, readFile, rename } from 'node:fs/promises'
import { join } from 'node:path'
import { cached } from './cache.ts'
import { mustRun, run } from './command-line.ts'
import { stage } from './progress.ts'
import { Unavailable } from './unavailable.ts'

/** A wrapper module of `modules/` and how its programs are built. */
interface Recipe {
  /** What is built: the module's `tool` lines, or packages of our own. */
  readonly packages: readonly string[]
  readonly tags?: readonly string[]
  /** Values of variables, given the module's version of `version`'s path. */
  readonly version?: { readonly of: string; readonly flags: (version: string) => readonly string[] }
  /** Go names a program after its folder; some publishers name it otherwise. */
  readonly renames?: Readonly<Record<string, string>>
}

/** Without these flags a node reports `v0.0.0-master`, and clients refuse features by that version. */
function kubernetesVersionFlags(version: string): readonly string[] {
  const [major = '', minor = ''] = version.slice(1).split('.')
  return ['component-base/version', 'client-go/pkg/version'].flatMap((name) => [
    `-X k8s.io/${name}.gitVersion=${version}`,
    `-X k8s.io/${name}.gitMajor=${major}`,
    `-X k8s.io/${name}.gitMinor=${minor}`,
    `-X k8s.io/${name}.gitTreeState=clean`,
  ])
}

const kubernetes = { of: 'k8s.io/kubernetes', flags: kubernetesVersionFlags }

const RECIPES = {
  certificates: { packages: ['.'] },
  'client-go': { packages: ['.'] },
  coredns: { packages: ['.'] },
  cyclonus: { packages: ['./cmd/policies'] },
  etcd: { packages: ['tool'], renames: { server: 'etcd' } },
  images: { packages: ['./cmd/pause', './cmd/image', './cmd/probe'] },
  crane: { packages: ['tool'] },
  'kube-score': { packages: ['tool'] },
  kubeconform: { packages: ['tool'] },
  // The provisioner shares nearly everything with Kubernetes: alone it would take another minute.
  kubernetes: { packages: ['tool', './cmd/provisioner'], version: kubernetes },
  // The legacy cloud providers are not on the Go proxy, and nothing here needs one.
  'kubernetes-oldest': { packages: ['tool'], version: kubernetes, tags: ['providerless'] },
} as const satisfies Readonly<Record<string, Recipe>>

export type ModuleName = keyof typeof RECIPES

const MODULES = join(import.meta.dirname, 'modules')

/**
 * The folder with the programs of a wrapper module, built once per content of the module. When they are cached, Go is
 * not even asked for.
 */
export async function build(name: ModuleName): Promise<string> {
  const recipe: Recipe = RECIPES[name]
  const source = join(MODULES, name)
  const hash = createHash('sha256').update(JSON.stringify([process.platform, process.arch, recipe, FLAGS]))
  for (const file of await sourcesOf(source)) hash.update(file).update(await readFile(join(source, file)))
  if (recipe.version !== undefined) hash.update(recipe.version.flags('v0.0.0').join())
  const key = `${name}-${hash.digest('hex').slice(0, 16)}`
  return cached(key, (folder) => stage(`build ${name} (once)`, () => compile(recipe, source, folder)))
}

const FLAGS = ['-trimpath', '-buildvcs=false', '-mod=readonly']

async function sourcesOf(folder: string): Promise<string[]> {
  const files: string[] = []
  for await (const file of glob('**/*.{go,mod,sum}', { cwd: folder })) files.push(file)
  return files.sort()
}

async function compile(recipe: Recipe, source: string, folder: string): Promise<void> {
  await requireGo()
  const versionFlags = recipe.version?.flags(await versionIn(source, recipe.version.of)) ?? []
  const tags = recipe.tags === undefined ? [] : ['-tags', recipe.tags.join()]
  const ldflags = ['-s', '-w', ...versionFlags].join(' ')
  await mustRun(
    // On a machine that people work on, a build of minutes must not be felt.
    [...nice(), 'go', 'build', ...FLAGS, ...tags, '-ldflags', ldflags, '-o', `${folder}/`, ...recipe.packages],
    { cwd: source, env: { ...process.env, CGO_ENABLED: '0', GOFLAGS: '', GOWORK: 'off' }, seconds: 1800 },
  )
  for (const [from, to] of Object.entries(recipe.renames ?? {})) {
    if (existsSync(join(folder, from))) await rename(join(folder, from), join(folder, to))
  }
}

function nice(): readonly string[] {
  return process.platform === 'win32' ? [] : ['nice']
}

async function requireGo(): Promise<void> {
  const found = await run(['go', 'env', 'GOVERSION']).catch(() => undefined)
  const minor = Number(/^go1\.(\d+)/.exec(found?.stdout ?? '')?.[1] ?? 0)
  if (minor < 26) {
    throw new Unavailable(`needs Go 1.26 or newer to build the cluster, found ${found?.stdout.trim() ?? 'none'}`)
  }
}

/** The exact version that a wrapper module pins: go.mod is the only place that states it. */
export async function pinnedVersion(name: ModuleName, path: string): Promise<string> {
  return versionIn(join(MODULES, name), path)
}

async function versionIn(source: string, path: string): Promise<string> {
  const text = await readFile(join(source, 'go.mod'), 'utf8')
  const line = text.split('\n').find((each) =>
    each
      .replace(/^require/, '')
      .trim()
      .startsWith(`${path} v`),
  )
  const version = line === undefined ? undefined : /v\d\S*/.exec(line.slice(line.indexOf(path) + path.length))?.[0]
  if (version === undefined) throw new Error(`${source}/go.mod: ${path} is not required`)
  return version
}
