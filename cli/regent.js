#!/usr/bin/env node
// The only file in JavaScript: a Node that cannot read TypeScript must be able to say so.
const [major, minor] = process.versions.node.split('.').map(Number)
if (major < 22 || (major === 22 && minor < 18)) {
  console.error(
    `error: regent needs Node 22.18 or newer, and this is ${process.versions.node} (${process.execPath}); ` +
      "start it as 'npx regent' in the project's folder, after 'npm ci': the project brings its own Node",
  )
  process.exitCode = 1
} else {
  await import('./regent.ts')
}
