import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { staging } from '../../environments/staging.ts'
import { extend } from '../../lib/config/layer.ts'
import { nameOf } from '../../lib/config/parse.ts'
import { readImageLock } from '../../lib/images/lock.ts'
import { writeOutput } from '../../lib/output/write.ts'
import { synthesize } from '../../lib/synthesize.ts'

// Measured as a process of its own: synthesizes as many copies of staging as it is told, and says what it made.
const count = Number(process.argv[2])
const folder = mkdtempSync(join(tmpdir(), 'regent-bench-'))
try {
  const layers = Array.from({ length: count }, (_, index) => extend(staging, import.meta, { name: `copy-${index}` }))
  const started = performance.now()
  const { files, problems } = synthesize(layers, readImageLock())
  if (problems.length > 0) throw new Error(`expected no problem, got ${problems.length}`)
  const rendered = performance.now()
  writeOutput(folder, files, layers.map(nameOf))
  console.log(
    JSON.stringify({
      objects: files.size,
      renderMilliseconds: rendered - started,
      writeMilliseconds: performance.now() - rendered,
      rssMebibytes: Math.round(process.resourceUsage().maxRSS / 1024),
    }),
  )
} finally {
  rmSync(folder, { recursive: true, force: true })
}
