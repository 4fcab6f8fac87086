import type { ImageLock } from '../../lib/images/lock.ts'

/** Images that no registry knows: what is composed here is never pulled. */
export const testImages: ImageLock = {
  agent: { version: '1.2.3' },
  'control-plane': { version: '1.2.3' },
  etcd: { repository: 'registry.test/etcd', version: 'v3.6.16', digest: `sha256:${'a'.repeat(64)}` },
}
