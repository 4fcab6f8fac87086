import { writeFileSync } from 'node:fs'
import { afterAll, afterEach, expect, test } from '@jest/globals'
import { podEnvironment } from '../support/pod-environment.ts'
import { type Program, startProgram } from '../support/program.ts'
import { command } from './command.ts'
import { ScriptedControlPlane } from './scripted-control-plane.ts'

// The program as the kubelet starts it, without election: it leads at once, and nothing beside it is needed.

const pod = podEnvironment()
afterAll(pod.remove)

const running: { program: Program; plane: ScriptedControlPlane }[] = []
afterEach(async () => {
  for (const { program, plane } of running.splice(0)) {
    program.child.kill('SIGKILL')
    await program.ended
    await plane.stop()
    expect(plane.violations).toEqual([])
  }
})

async function started(changes: Readonly<Record<string, string | undefined>> = {}) {
  const plane = await ScriptedControlPlane.start()
  plane.authorization = 'Bearer the-token'
  writeFileSync(`${pod.folder}/control-plane-token`, 'the-token\n')
  const program = startProgram(pod, { CONTROL_PLANE_URL: plane.url, ...changes })
  running.push({ program, plane })
  return { plane, program }
}

test('the program registers with its own credential, does what it is told, and leaves in good order', async () => {
  const { plane, program } = await started()
  const peer = await plane.nextPeer()
  expect(await peer.next('register')).toMatchObject({
    agentId: 'local',
    lineage: 'sole-replica',
    capacity: { maxSessions: 100, cpu: '4', memory: '8Gi' },
  })
  expect(await peer.next('heartbeat')).toMatchObject({ status: 'online' })
  expect(await (await program.get('/readyz?verbose')).text()).toContain(
    '[+] control-link: registered at the control plane',
  )
  const metrics = await (await program.get('/metrics')).text()
  expect(metrics).toContain('regent_agent_link_connected{agent="local"} 1')
  expect(metrics).toContain('regent_agent_commands_total{agent="local",action="describe",outcome="done"} 0')
  // There is no API server where the configuration says there is one.
  peer.say(command('c-1', { action: 'describe', payload: {} }))
  expect(await peer.next('failed')).toMatchObject({ commandId: 'c-1', retryable: true })
  program.child.kill('SIGTERM')
  expect(await peer.next('heartbeat')).toMatchObject({ status: 'draining' })
  expect(await peer.closed).toBe(1000)
  expect(await program.ended).toEqual({ code: 0, complaints: '' })
  expect(JSON.stringify(program.lines)).not.toContain('the-token')
})

test('an API key is used instead of the token where there is one', async () => {
  const file = `${pod.folder}/api-key`
  writeFileSync(file, 'the-key')
  const { plane } = await started({ AGENT_API_KEY_FILE: file, CONTROL_PLANE_TOKEN_FILE: undefined })
  plane.authorization = 'Bearer the-key'
  await plane.nextRegistered()
})

test('without a control plane it is ready and alive, says what is missing, and stops at once', async () => {
  const { program } = await started({ CONTROL_PLANE_URL: 'http://127.0.0.1:9' })
  await program.said('link-failed')
  const ready = await program.get('/readyz?verbose')
  expect(ready.status).toBe(200)
  expect(await ready.text()).toMatch(/\[\+\] control-link: not registered at the control plane: http:.*ECONNREFUSED/)
  expect((await program.get('/livez')).status).toBe(200)
  program.child.kill('SIGTERM')
  expect((await program.ended).code).toBe(0)
})
