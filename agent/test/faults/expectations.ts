import { describe, expect } from '@jest/globals'
import { cluster } from '../../../test/cluster/state.ts'
import { waitFor } from '../../../test/cluster/wait-for.ts'
import type { Field } from './field.ts'
import type { Replica } from './replica.ts'
import type { Ledger } from './witness.ts'

/** The admission fence, which every field has, is of Kubernetes 1.30 and newer. */
export const describeFaults = cluster().release === 'oldest' ? describe.skip : describe

/** Expects of a fault that it costs nothing: the same leader, the same epoch, and nobody restarted. */
export async function withoutTransition(field: Field, fault: () => Promise<void> | void): Promise<void> {
  const leader = await field.leader(5)
  const epoch = (await field.lease())?.epoch
  const processes = field.replicas.map(({ pid }) => pid)
  await fault()
  expect((await field.leader(10)).name).toBe(leader.name)
  expect((await field.lease())?.epoch).toBe(epoch)
  expect(field.replicas.map(({ pid, isRunning }) => isRunning && pid)).toEqual(processes)
}

/**
 * Expects of a leader that another followed that its work was over before: no effect of it came after the first of the
 * next one. Whether it was, is decided in its elector's thread; what it says about it comes from its main thread, which
 * may wait for seconds for its turn where much else runs. So its word is waited for, and its effects are judged.
 */
export async function stoppedBefore(former: Replica, witness: Pick<Ledger, 'overlapMs'>): Promise<void> {
  expect(witness.overlapMs).toBe(0)
  await waitFor(`${former.name} to say that it stopped`, () => former.hasStoppedLeading, { seconds: 10 })
}

/** Expects of a leader that lost the Lease that it was ended by nobody: its work was over within its abort budget. */
export function wasLeftRunning({ isRunning, tail }: Replica): void {
  if (!isRunning) throw new Error(`expected a process that runs\n${tail}`)
}
