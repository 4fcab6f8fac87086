import { createServer, type Server } from 'node:net'
import { errorCode } from '@regent/runtime/error-code.ts'

/** The address of the lock of a pod: see {@link lockPod}. */
export function podLockAddress(podUid: string): string {
  return `\0regent-agent/${podUid}`
}

/** Another live process holds the lock of this pod. */
export class PodLocked extends Error {
  override readonly name = 'PodLocked'
}

/**
 * Keeps a second live process of the same pod from running the program: both would have the pod's UID, by which the
 * admission fence tells leaders apart, and each would take the other for its own former self.
 *
 * The lock is a socket with an abstract name. Names of such sockets belong to the network namespace, which the
 * containers of a pod share and pods do not; and the kernel forgets them when their process ends, however it ends.
 * A file would survive a kill, and a lock on one needs `flock`, which Node does not have. Linux only.
 *
 * Not covered: pods with host networking share one namespace (the UID in the name keeps them apart), and a sandbox
 * that the container runtime replaced has a new one (then no container of the old one runs any more).
 *
 * @param address as {@link podLockAddress} makes it; another one in tests
 * @returns what gives the lock back; ending the process does, too
 * @throws PodLocked when another process holds it
 */
export async function lockPod(address: string): Promise<() => Promise<void>> {
  const server = createServer((connection) => connection.destroy())
  try {
    await bind(server, address)
  } catch (error) {
    if (errorCode(error) !== 'EADDRINUSE') {
      throw new Error(`the lock of this pod, a socket with an abstract name, cannot be taken`, { cause: error })
    }
    throw new PodLocked(
      'another process of this pod runs the agent already; let one container of a pod run it, and no second process in it',
    )
  }
  // Holding the lock is no reason to go on.
  server.unref()
  return () => new Promise((resolve) => server.close(() => resolve()))
}

function bind(server: Server, path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen({ path, exclusive: true }, () => {
      server.off('error', reject)
      resolve()
    })
  })
}
