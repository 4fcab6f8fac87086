/**
 * What `NODE_OPTIONS` makes of two signals in the main thread of a program, so that the program itself needs no back
 * door, and its image no other file:
 *
 * - SIGHUP throws where nobody catches.
 * - SIGUSR2 takes memory until the kernel ends the process.
 */
export function deadlySignals(): string {
  const script = `
    import { isMainThread } from 'node:worker_threads'
    if (isMainThread) {
      process.on('SIGHUP', () => { throw new Error('a fault that nobody catches') })
      process.on('SIGUSR2', () => { for (const kept = []; ; kept.push(Buffer.alloc(2 ** 24, 1))); })
    }`
  return `--import=data:text/javascript,${encodeURIComponent(script)}`
}
