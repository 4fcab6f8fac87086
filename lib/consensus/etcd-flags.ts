import { etcd } from '@regent/contract/etcd.ts'
import { objectNames } from '@regent/contract/names.ts'
import { inBytes } from '../config/quantity.ts'
import type { DeepReadonly } from '../config/environment.ts'
import type { ConsensusSettings } from './settings.ts'

/** Where the volume is mounted. The data lie in a folder below: etcd wants 0700, which fsGroup would undo. */
export const volumeFolder = '/var/lib/etcd'
/** Folders of the certificates between members and towards clients. */
export const peerTlsFolder = '/etc/etcd/peer-tls'
export const serverTlsFolder = '/etc/etcd/server-tls'

const { client, peer, health } = etcd.ports

/**
 * The flags of one member; `$(POD_NAME)` is expanded by the kubelet, since the image has no shell. What a joiner
 * must know of the others comes from the membership ConfigMap instead.
 *
 * @param token keeps members of another cluster out; unique per region
 * @see https://etcd.io/docs/v3.6/op-guide/configuration/
 */
export function etcdFlags(settings: DeepReadonly<ConsensusSettings>, namespace: string, token: string): string[] {
  const scheme = schemeOf(settings)
  const host = memberHost('$(POD_NAME)', namespace)
  return [
    '--name=$(POD_NAME)',
    `--data-dir=${volumeFolder}/data`,
    `--listen-peer-urls=${scheme}://0.0.0.0:${peer.number}`,
    `--listen-client-urls=${scheme}://0.0.0.0:${client.number}`,
    `--initial-advertise-peer-urls=${scheme}://${host}:${peer.number}`,
    `--advertise-client-urls=${scheme}://${host}:${client.number}`,
    `--listen-metrics-urls=http://0.0.0.0:${health.number}`,
    `--initial-cluster-token=${token}`,
    `--heartbeat-interval=${settings.heartbeatIntervalMilliseconds}`,
    `--election-timeout=${settings.electionTimeoutMilliseconds}`,
    `--quota-backend-bytes=${inBytes(settings.quotaBackend)}`,
    '--auto-compaction-mode=periodic',
    '--auto-compaction-retention=1h',
    // Entries of the Raft log between two of its own snapshots; nothing to do with backups.
    '--snapshot-count=10000',
    '--feature-gates=InitialCorruptCheck=true',
    // It speaks JSON for callers whom it cannot tell apart. Nothing of ours calls it.
    '--enable-grpc-gateway=false',
    ...(settings.tls === null
      ? []
      : [
          ...Object.entries({ 'cert-file': 'tls.crt', 'key-file': 'tls.key', 'trusted-ca-file': 'ca.crt' }).flatMap(
            ([flag, file]) => [`--${flag}=${serverTlsFolder}/${file}`, `--peer-${flag}=${peerTlsFolder}/${file}`],
          ),
          '--client-cert-auth=true',
          '--peer-client-cert-auth=true',
        ]),
  ]
}

/** `http` or `https`, between members and to clients alike. */
export function schemeOf(settings: DeepReadonly<ConsensusSettings>): 'http' | 'https' {
  return settings.tls === null ? 'http' : 'https'
}

/** The stable DNS name of a member. */
export function memberHost(member: string, namespace: string): string {
  return `${member}.${objectNames.consensusPeers}.${namespace}.svc`
}
