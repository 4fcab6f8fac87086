import { randomInt } from 'node:crypto'
import { join } from 'node:path'
import { consensusAccess } from '@regent/contract/consensus-access.ts'
import { type StartedProcess, startProcess } from '@regent/runtime/test/support/started-process.ts'
import type { StoreTls } from '../../src/store/store.ts'

const main = join(import.meta.dirname, '../../src/consensus-access.ts')

/** The program that keeps etcd's users, as a process of its own. */
export interface AccessProgram extends StartedProcess {
  /** Asks a page of the health port. */
  readonly health: (path: string) => Promise<Response>
}

/** Starts it as the manifests do. */
export function startAccessProgram(endpoints: readonly string[], tls: StoreTls): AccessProgram {
  // Every start has a loopback address of its own, because the contract gives the port.
  const address = `127.${randomInt(1, 255)}.${randomInt(1, 255)}.${randomInt(1, 255)}`
  const started = startProcess(main, {
    POD_NAME: 'regent-consensus-access-0',
    LISTEN_ADDRESS: address,
    ...etcdEnvironment(endpoints, tls),
  })
  const { number } = consensusAccess.ports.health
  return {
    ...started,
    health: (path) => fetch(`http://${address}:${number}${path}`, { headers: { connection: 'close' } }),
  }
}

/** The variables with which a program calls etcd. */
export function etcdEnvironment(endpoints: readonly string[], tls: StoreTls): Readonly<Record<string, string>> {
  return {
    ETCD_ENDPOINTS: endpoints.join(','),
    ETCD_CA_FILE: tls.caFile,
    ETCD_CERTIFICATE_FILE: tls.certificateFile,
    ETCD_KEY_FILE: tls.keyFile,
  }
}
