import { mkdtempSync, writeFileSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { binary } from './binaries.ts'
import { startCluster, type OnCreated } from './cluster.ts'
import { mustHoldNoEnvironment } from './foreign.ts'
import { requireNodeMachine } from './machine.ts'
import type { ClusterState } from './state.ts'

/** The levels that need a cluster. `oldest` runs the tests of `api` at the oldest Kubernetes that can be had. */
export type ClusterLevel = 'api' | 'oldest' | 'nodes'

/** Checks, and installs where it may, what the level needs. @throws Unavailable with what its user can do */
export async function prepareLevel(level: ClusterLevel): Promise<void> {
  if (level === 'nodes') await requireNodeMachine()
}

/** Starts the cluster of a level. Returns its state file. */
export async function startLevel(level: ClusterLevel, onCreated: OnCreated): Promise<string> {
  const started = await startCluster(
    level === 'nodes'
      ? { kind: 'nodes', nodes: 5 }
      : { kind: 'api', release: level === 'oldest' ? 'oldest' : 'newest' },
    onCreated,
  )
  return started.stateFile
}

/**
 * Describes somebody's own cluster as if it were one of ours. Nothing of it is started or removed.
 * @throws Unavailable where an environment of Regent is in it
 */
export async function useForeign(kubeconfig: string, onCreated: OnCreated): Promise<string> {
  const kubectl = await binary('kubectl')
  await mustHoldNoEnvironment(kubectl, resolve(kubeconfig))
  const folder = mkdtempSync(join(tmpdir(), 'regent-foreign-'))
  onCreated(() => rm(folder, { recursive: true, force: true }))
  const state: ClusterState = {
    id: 'foreign',
    kind: 'foreign',
    release: 'newest',
    folder,
    kubeconfig: resolve(kubeconfig),
    kubectl,
    etcdctl: await binary('etcdctl'),
    nodes: [],
  }
  const stateFile = join(folder, 'state.json')
  writeFileSync(stateFile, JSON.stringify(state, null, 2))
  return stateFile
}
