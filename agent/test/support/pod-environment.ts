import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** The environment of an agent's pod as the manifests write it, with real files. */
export interface PodEnvironment {
  /** Variables that are set, changed or, with `undefined`, left out. */
  readonly with: (changes: Readonly<Record<string, string | undefined>>) => Record<string, string>
  /** Folder of its files; also free for what the program writes. */
  readonly folder: string
  readonly remove: () => void
}

export function podEnvironment(): PodEnvironment {
  const folder = mkdtempSync(join(tmpdir(), 'regent-pod-'))
  const file = (name: string): string => {
    const path = join(folder, name)
    writeFileSync(path, `content of ${name}`)
    return path
  }
  const variables: Readonly<Record<string, string | undefined>> = {
    AGENT_ID: 'local',
    REPLICAS: '3',
    REGION: 'local',
    // Nobody listens there.
    CONTROL_PLANE_URL: 'http://127.0.0.1:9',
    CONTROL_PLANE_TOKEN_FILE: file('control-plane-token'),
    NAMESPACE: 'regent-sessions',
    MAX_CPU: '4',
    MAX_MEMORY: '8Gi',
    ENABLE_HA: 'true',
    LISTEN_ADDRESS: '127.0.0.1',
    KUBERNETES_SERVICE_HOST: '127.0.0.1',
    KUBERNETES_SERVICE_PORT: '6443',
    KUBERNETES_TOKEN_FILE: file('token'),
    KUBERNETES_CA_FILE: file('ca.crt'),
    POD_NAME: 'regent-agent-local-0',
    POD_UID: '6f1c6a52-0000-4000-8000-000000000000',
    POD_NAMESPACE: 'regent-system',
    POD_IP: '127.0.0.1',
    NODE_NAME: 'node-0',
  }
  return {
    with: (changes) =>
      Object.fromEntries(
        Object.entries({ ...variables, ...changes }).filter(
          (entry): entry is [string, string] => entry[1] !== undefined,
        ),
      ),
    folder,
    remove: () => rmSync(folder, { recursive: true, force: true }),
  }
}
