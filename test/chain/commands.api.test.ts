import { afterAll, beforeAll, expect, test } from '@jest/globals'
import type { CommandResource } from '@regent/contract/api.ts'
import { applyEnvironment, removeEnvironments } from '../delivery/environment.ts'
import { Chain, hooksMs } from './chain.ts'

// agent → control plane → etcd, every part of it real: what a person asks for is done, whatever happens to the pods.

let chain: Chain
beforeAll(async () => {
  await removeEnvironments()
  await applyEnvironment('local')
  chain = await Chain.start()
}, hooksMs)
afterAll(async () => {
  await chain.close()
  await removeEnvironments()
}, hooksMs)

test('a command is done by the leader', async () => {
  const leader = await chain.leader()
  const { commandId } = await chain.command({})
  const { result, ...command } = await chain.ended(commandId)
  expect(command).toMatchObject({ state: 'done', deliveries: 1, cancelRequested: false })
  // What it says is about the pod that leads.
  expect(JSON.stringify(result)).toContain(leader.name)
})

test.each([
  ['stops', 'SIGTERM'],
  ['is killed', 'SIGKILL'],
] as const)('commands go on when the leader %s', async (_, signal) => {
  const leader = await chain.leader()
  const index = chain.agents.indexOf(leader)
  const before = await Promise.all(Array.from({ length: 20 }, (_, at) => chain.command({ target: `before-${at}` })))
  leader.child.kill(signal)
  const after = await Promise.all(Array.from({ length: 20 }, (_, at) => chain.command({ target: `after-${at}` })))
  const ended = await Promise.all([...before, ...after].map(({ commandId }) => chain.ended(commandId)))
  expect(new Set(ended.map(({ state }) => state))).toEqual(new Set(['done']))
  expect((await chain.leader()).name).not.toBe(leader.name)
  await leader.ended
  await chain.startAgent(index)
})

test('commands go on when the pod of the control plane with the agent is killed, and no leadership changes', async () => {
  const leader = await chain.leader()
  const { connection, fence } = (await chain.ask('GET', '/agents/local')) as {
    connection: { pod: string }
    fence: { epoch: string }
  }
  const pod = chain.controlPlanes.find(({ name }) => name === connection.pod)
  pod?.child.kill('SIGKILL')
  await pod?.ended
  const commands: CommandResource[] = []
  for (let index = 0; index < 20; index += 1) commands.push(await chain.command({ target: `t-${index}` }))
  for (const { commandId } of commands) expect((await chain.ended(commandId)).state).toBe('done')
  expect((await chain.leader()).name).toBe(leader.name)
  expect(await chain.ask('GET', '/agents/local')).toMatchObject({ fence: { epoch: fence.epoch } })
  await chain.startControlPlane()
})
