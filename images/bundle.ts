import { readFile } from 'node:fs/promises'
import { basename, dirname, resolve } from 'node:path'
import { build, type Metafile, type Plugin, stop } from 'esbuild'

/** A program as the few files that Node runs. */
export interface Bundle {
  /** Name to content: `main.mjs`, its workers, and what they share. */
  readonly files: ReadonlyMap<string, Uint8Array>
  /** Paths of every source file in it, from the top of the project. */
  readonly sources: readonly string[]
}

/** How many rounds of workers that start workers are followed. */
const mostRounds = 5

/**
 * `new URL('./worker.ts', import.meta.url)`: the one way in which a program names a module that it starts as a worker.
 * Node runs it from the source as it stands; the bundle has that module beside the main one.
 */
const workerReference = /new URL\(\s*(['"])(\.{1,2}\/[^'"]+)\.ts\1\s*,\s*import\.meta\.url\s*\)/g

/** What modules of the other kind expect to find, in modules that do not have it. */
const banner = [
  "import { createRequire as $createRequire } from 'node:module';",
  "import { dirname as $dirname } from 'node:path';",
  'const require = $createRequire(import.meta.url);',
  'const __filename = import.meta.filename;',
  'const __dirname = $dirname(__filename);',
].join(' ')

/**
 * Bundles programs and the workers that they start. Names are kept, so that what an error prints can be read.
 *
 * @param mains the programs' own modules
 * @param top the folder that sources are named from: the top of the project
 * @throws when a module cannot be resolved, or two of them would have the same name
 */
export async function bundle(mains: readonly string[], top: string): Promise<Bundle> {
  try {
    return await bundled(mains, top)
  } finally {
    // It runs as a process of its own, which would outlive its use, and keep a test's process from ending.
    await stop()
  }
}

async function bundled(mains: readonly string[], top: string): Promise<Bundle> {
  let entries = mains
  for (let round = 0; round < mostRounds; round++) {
    const workers = new Set<string>()
    const result = await build({
      entryPoints: namedEntries(entries),
      absWorkingDir: top,
      bundle: true,
      splitting: true,
      outdir: '/app',
      outExtension: { '.js': '.mjs' },
      chunkNames: 'shared-[hash]',
      format: 'esm',
      platform: 'node',
      target: 'node24',
      banner: { js: banner },
      charset: 'utf8',
      legalComments: 'none',
      logLevel: 'silent',
      metafile: true,
      write: false,
      plugins: [workersOf(workers)],
    })
    const found = [...workers].filter((worker) => !entries.includes(worker)).sort()
    if (found.length === 0) {
      return {
        files: new Map(result.outputFiles.map(({ path, contents }) => [basename(path), contents])),
        sources: sourcesOf(result.metafile),
      }
    }
    entries = [...entries, ...found]
  }
  throw new Error(`${mains.join(', ')}: expected workers that start workers at most ${mostRounds} deep, got more`)
}

function namedEntries(files: readonly string[]): Record<string, string> {
  const named: Record<string, string> = {}
  for (const file of files) {
    const name = basename(file, '.ts')
    if (named[name] !== undefined) {
      throw new Error(`${file}: expected a name of its own, got that of ${named[name]}; rename one of the two modules`)
    }
    named[name] = file
  }
  return named
}

/** Collects the workers that sources name, and lets them be found beside the bundle. */
function workersOf(workers: Set<string>): Plugin {
  return {
    name: 'workers',
    setup: (building) => {
      building.onLoad({ filter: /\.ts$/ }, async ({ path }) => {
        const source = await readFile(path, 'utf8')
        const contents = source.replaceAll(workerReference, (_, __, name: string) => {
          workers.add(resolve(dirname(path), `${name}.ts`))
          return `new URL('./${basename(name)}.mjs', import.meta.url)`
        })
        return { contents, loader: 'ts' }
      })
    },
  }
}

/** What is in the output, not what was looked at: a module of which nothing is used is in no image. */
function sourcesOf(metafile: Metafile): readonly string[] {
  const used = Object.values(metafile.outputs).flatMap(({ inputs }) =>
    Object.entries(inputs).flatMap(([path, { bytesInOutput }]) => (bytesInOutput > 0 ? [path] : [])),
  )
  return [...new Set(used)].sort()
}

/** The folder of the npm package that a source belongs to, from the top of the project; nothing for our own. */
export function packageFolderOf(source: string): string | undefined {
  return /^(?:.*\/)?node_modules\/(?:@[^/]+\/)?[^/]+(?=\/)/.exec(source)?.[0]
}
