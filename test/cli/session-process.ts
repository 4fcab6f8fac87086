import { pathToFileURL } from 'node:url'

// Runs the program again and again in one process, each time from its first line, with what it imports already loaded.
const [, , program = ''] = process.argv
let runs = 0

process.on('message', (args: readonly string[]) => void answer(args))

async function answer(args: readonly string[]): Promise<void> {
  const output = { stdout: '', stderr: '' }
  for (const name of ['stdout', 'stderr'] as const) {
    process[name].removeAllListeners('error')
    process[name].write = (text: string | Uint8Array) => {
      output[name] += String(text)
      return true
    }
  }
  process.argv = [process.execPath, program, ...args]
  process.exitCode = 0
  await import(`${pathToFileURL(program).href}?${runs++}`)
  process.send?.({ code: process.exitCode, ...output })
}
