import { parseArgs } from 'node:util'
import { staleReference, writeReference } from './reference-files.ts'

/** `npm run docs` writes the generated documentation; `npm run docs -- --check` names what is stale and exits with 1. */
const folder = process.cwd()

try {
  const { check } = parseArgs({ options: { check: { type: 'boolean', default: false } } }).values
  if (check) {
    const stale = staleReference(folder)
    for (const file of stale) console.error(`${file} is stale; run \`npm run docs\` and commit it`)
    if (stale.length > 0) process.exitCode = 1
  } else {
    for (const file of writeReference(folder)) console.log(`${file} is written`)
  }
} catch (error) {
  if (!(error instanceof TypeError)) throw error
  console.error(`${error.message}\nusage: npm run docs [-- --check]`)
  process.exitCode = 2
}
