import { describe, expect } from '@jest/globals'
import { cluster } from '../../../test/cluster/state.ts'
import type { Field } from './field.ts'

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
