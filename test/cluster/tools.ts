import { readFile, writeFile } from 'node:fs/promises'
import { createHash } from 'node:crypto'
import { join } from 'node:path'
import { build } from './build.ts'
import { cached } from './cache.ts'
import { mustRun, run } from './command-line.ts'
import { stage } from './progress.ts'
import { Unavailable } from './unavailable.ts'

/** Programs that judge manifests, serve images or compete with ours, each built when it is first asked for. */
const GO_TOOLS = {
  crane: { module: 'crane', program: 'crane' },
  'client-go': { module: 'client-go', program: 'client-go' },
  'kube-score': { module: 'kube-score', program: 'kube-score' },
  kubeconform: { module: 'kubeconform', program: 'kubeconform' },
  policies: { module: 'cyclonus', program: 'policies' },
} as const

/** Tools in Python, with the module that is one. */
const PYTHON_TOOLS = { checkov: 'checkov.main', schemathesis: 'schemathesis.cli' } as const
type PythonTool = keyof typeof PYTHON_TOOLS

export type ToolName = keyof typeof GO_TOOLS | PythonTool

/** The path of a tool. The first call of all times builds or installs it. */
export async function tool(name: ToolName): Promise<string> {
  if (isOfPython(name)) return pythonTool(name)
  const { module, program } = GO_TOOLS[name]
  return join(await build(module), program)
}

function isOfPython(name: ToolName): name is PythonTool {
  return name in PYTHON_TOOLS
}

/** From PyPI, every package at an exact version, in an environment of its own. */
async function pythonTool(name: PythonTool): Promise<string> {
  const requirements = join(import.meta.dirname, 'modules', name, 'requirements.txt')
  const hash = createHash('sha256').update(await readFile(requirements))
  const folder = await cached(`${name}-${hash.digest('hex').slice(0, 16)}`, (target) =>
    stage(`install ${name} (once)`, async () => {
      const made = await run(['python3', '-m', 'venv', target])
      if (made.exitCode !== 0) throw new Unavailable(`needs Python with venv: apt-get install python3-venv`)
      const pip = [join(target, 'bin', 'python'), '-m', 'pip', 'install', '--quiet', '--disable-pip-version-check']
      await mustRun([...pip, '--requirement', requirements], { seconds: 900 })
      // pip's own script names the folder that it was written in, and that is about to be moved.
      const script = `#!/bin/sh\nexec "$(dirname "$0")/python" -m ${PYTHON_TOOLS[name]} "$@"\n`
      await writeFile(join(target, 'bin', name), script, { mode: 0o755 })
    }),
  )
  return join(folder, 'bin', name)
}
