import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Environment } from '@regent/runtime/configuration/environment.ts'

/** The environment that a manifest gives to a pod of the control plane, with files that are there. */
export interface PodEnvironment {
  readonly environment: Environment
  readonly folder: string
  readonly remove: () => void
}

export function podEnvironment(changed: Environment = {}): PodEnvironment {
  const folder = mkdtempSync(join(tmpdir(), 'regent-control-plane-'))
  const file = (name: string): string => {
    const path = join(folder, name)
    writeFileSync(path, 'content')
    return path
  }
  return {
    folder,
    remove: () => rmSync(folder, { recursive: true, force: true }),
    environment: {
      POD_NAME: 'regent-control-plane-0',
      POD_UID: '0f0e3f1a-5a0e-4a61-9a4e-000000000001',
      REGION: 'local',
      PUBLIC_URL: 'http://127.0.0.1:8000',
      ETCD_ENDPOINTS: 'http://127.0.0.1:2379',
      KUBERNETES_SERVICE_HOST: '127.0.0.1',
      KUBERNETES_SERVICE_PORT: '6443',
      KUBERNETES_TOKEN_FILE: file('token'),
      KUBERNETES_CA_FILE: file('ca.crt'),
      LISTEN_ADDRESS: '127.0.0.1',
      ...changed,
    },
  }
}
