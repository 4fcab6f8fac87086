#!/usr/bin/env node
// The only file in JavaScript: a Node that cannot read TypeScript must be able to say so.
import module from 'node:module'
import { join } from 'node:path'

const [major, minor] = process.versions.node.split('.').map(Number)
if (major < 22 || (major === 22 && minor < 18)) {
  console.error(
    `error: regent needs Node 22.18 or newer, and this is ${process.versions.node} (${process.execPath}); ` +
      "start it as 'npx regent' in the project's folder, after 'npm ci': the project brings its own Node",
  )
  process.exitCode = 1
} else {
  // Compiled code is kept beside the packages: the libraries are larger than everything that is done with them.
  module.enableCompileCache(join(import.meta.dirname, '..', 'node_modules', '.cache', 'regent'))
  await import('./regent.ts')
}
