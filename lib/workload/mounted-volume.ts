import type { k8s } from 'cdk8s-plus-28'

/** A volume together with the folder where its one container sees it, read-only. */
export interface MountedVolume {
  readonly mountPath: string
  readonly volume: k8s.Volume
}

/** Some keys of a Secret as files that the program's user alone may read. */
export function secretVolume(
  name: string,
  mountPath: string,
  secretName: string,
  keys: readonly string[],
): MountedVolume {
  const items = keys.map((key) => ({ key, path: key }))
  return { mountPath, volume: { name, secret: { secretName, defaultMode: 0o440, items } } }
}

/** A projected token of the pod's ServiceAccount for an audience of its own, which the kubelet renews. */
export function tokenVolume(
  name: string,
  token: {
    readonly audience: string
    readonly folder: string
    readonly file: string
    readonly expirationSeconds: number
  },
): MountedVolume {
  const { audience, expirationSeconds, file } = token
  const sources = [{ serviceAccountToken: { audience, expirationSeconds, path: file } }]
  return { mountPath: token.folder, volume: { name, projected: { sources, defaultMode: 0o440 } } }
}

/** The mounts of volumes. */
export function mountsOf(volumes: readonly MountedVolume[]): k8s.VolumeMount[] {
  return volumes.map(({ volume, mountPath }) => ({ name: volume.name, mountPath, readOnly: true }))
}
