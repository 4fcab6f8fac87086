import { spawn } from 'node:child_process'
import { createServer, connect, type AddressInfo, type Server } from 'node:net'
import { fileURLToPath } from 'node:url'
import { closeSync, mkdirSync, openSync } from 'node:fs'
import { join } from 'node:path'
import { identityOf } from './identity.ts'
import type { Journal } from './journal.ts'
import { logOf } from './processes.ts'
import { entering, type Space } from './space.ts'

/**
 * Makes a port of a space reachable on this machine's loopback. The listening socket is opened here and handed to a
 * process inside of the space: a socket keeps the network that it was opened in. Returns the port.
 */
export async function forward(journal: Journal, space: Space, target: number): Promise<number> {
  const server = createServer()
  const port = await new Promise<number>((resolve, reject) => {
    server.once('error', reject)
    server.listen(0, '127.0.0.1', () => resolve((server.address() as AddressInfo).port))
  })
  mkdirSync(join(journal.folder, 'logs'), { recursive: true })
  const log = openSync(logOf(journal.folder, 'forward'), 'a')
  const [enter = '', ...entry] = entering(space)
  const command = [...entry, process.execPath, fileURLToPath(import.meta.url), String(target)]
  const child = spawn(enter, command, {
    stdio: ['ignore', log, log, 'ipc'],
    detached: true,
  })
  closeSync(log)
  await new Promise<void>((resolve, reject) => {
    child.once('error', reject)
    child.once('exit', (code) => reject(new Error(`forward ended with ${code ?? 'a signal'}`)))
    child.once('message', () => resolve())
    child.send('listen', server)
  })
  child.removeAllListeners('exit')
  journal.add({ kind: 'process', name: 'forward', process: identityOf(child.pid ?? 0) })
  child.disconnect()
  child.unref()
  server.close()
  return port
}

/** The process inside of the space. */
function serve(target: number): void {
  process.once('message', (_, handle) => {
    const server = handle as Server
    server.on('connection', (outside) => {
      const inside = connect(target, '127.0.0.1')
      outside.pipe(inside).pipe(outside)
      outside.on('error', () => inside.destroy())
      inside.on('error', () => outside.destroy())
    })
    process.send?.('listening')
  })
}

if (process.argv[1] === fileURLToPath(import.meta.url)) serve(Number(process.argv[2]))
