import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, expect, test } from '@jest/globals'
import { controlPlaneAudience } from '@regent/contract/names.ts'
import { connection } from '../../../test/cluster/api-request.ts'
import { mustKubectl } from '../../../test/cluster/kubectl.ts'
import { tokenOf } from '../../../test/cluster/service-account.ts'
import { waitFor } from '../../../test/cluster/wait-for.ts'
import { applyEnvironment, removeEnvironments } from '../../../test/delivery/environment.ts'
import { entryText } from '../../src/state/state-entries.ts'
import { isOfState, keys, prefixes } from '../../src/store/keys.ts'
import { Etcd } from '../support/etcd.ts'
import { type PodEnvironment, podEnvironment } from '../support/pod-environment.ts'
import { type Program, startProgram } from '../support/program.ts'
import { openStore } from '../support/store.ts'
import { type ExportedText, linesOf, withEntries } from './exported.ts'

// Programs that are killed while the first administrator imports a state into an etcd that is new.

const since = '2026-05-04T03:02:01.000Z'
const payload = 'x'.repeat(20_000)
const made = { action: 'describe', target: 't', createdAt: since, createdBy: 'me', deliveries: 0 } as const
const entries = [
  entryText({ kind: 'agent', agentId: 'moved', agent: { approval: 'approved', registeredAt: since } }),
  ...Array.from({ length: 300 }, (_, index) => {
    const id = { agentId: 'moved', commandId: `c-${String(index).padStart(3, '0')}` }
    const command = { ...id, ...made, deadlineAt: '2099-01-01T00:00:00.000Z', payloadBytes: payload.length + 2 }
    return entryText({ kind: 'open-command', command: { ...command, state: 'queued' }, payload })
  }),
]
const header = JSON.stringify({
  ...{ kind: 'regent-state', format: 1, exportedAt: since, from: 'http://127.0.0.1', revision: '1', expected: {} },
})
const state: ExportedText = withEntries({ header, entries, trailer: '' }, entries)

let etcd: Etcd
let pod: PodEnvironment
let bearer: string
const programs: Program[] = []
beforeAll(async () => {
  await removeEnvironments()
  await applyEnvironment('local')
  etcd = await Etcd.start()
  const { server, authority } = await connection()
  pod = podEnvironment({
    ETCD_ENDPOINTS: etcd.endpoints.join(','),
    KUBERNETES_SERVICE_HOST: server.hostname,
    KUBERNETES_SERVICE_PORT: server.port,
    ...(authority !== undefined && { KUBERNETES_CA_FILE: authority.file }),
  })
  writeFileSync(join(pod.folder, 'token'), await tokenOf('regent-system', 'regent-control-plane'))
  const create = ['create', 'token', 'regent-admin', '-n', 'regent-system', '--audience', controlPlaneAudience]
  bearer = (await mustKubectl(create)).trim()
})
afterEach(async () => {
  await Promise.all(programs.splice(0).map(killed))
  await etcd.etcdctl('del', '--prefix', prefixes.everything)
})
afterAll(async () => {
  pod.remove()
  await etcd.close()
  await removeEnvironments()
})

async function started(): Promise<Program> {
  const program = startProgram(pod)
  programs.push(program)
  await program.said('started')
  await waitFor('readiness', async () => {
    return (await program.health('/readyz')).status === 200 || Promise.reject(new Error('not yet'))
  })
  return program
}

async function killed({ child, ended }: Program): Promise<void> {
  child.kill('SIGKILL')
  await ended
}

async function ask(program: Program, path: string, body: object): Promise<number> {
  const headers = { authorization: `Bearer ${bearer}`, 'content-type': 'application/json' }
  const request = { method: 'POST', headers, body: JSON.stringify(body) }
  const answer = await program.api(`/api/v1/state/imports${path}`, request)
  await answer.text()
  return answer.status
}

const partSize = 30
const linesOfPart = (part: number) => entries.slice(part * partSize, (part + 1) * partSize)
const parts = Math.ceil(entries.length / partSize)
const exported = async (program: Program): Promise<string> =>
  (await program.api('/api/v1/state/export', { headers: { authorization: `Bearer ${bearer}` } })).text()

test('whoever is killed in the middle of a part, another pod goes on with it, and nothing is lost or twice', async () => {
  const importId = 'import-over-pods'
  let program = await started()
  expect(await ask(program, '', { importId, header })).toBe(201)
  for (let part = 0; part < parts; part += 1) {
    const body = { part, lines: linesOfPart(part) }
    const ofProgram = () => ask(program, `/${importId}/parts`, body)
    if (part % 3 === 1) {
      const other = await started()
      const broken = ofProgram().catch(() => 0)
      // Somewhere between its first byte and its answer.
      await new Promise((resolve) => setTimeout(resolve, 3 * part))
      await killed(program)
      await broken
      program = other
      // The last write of the one that was killed may be done after this one has read: it says so, and is asked again.
      const status = await waitFor('an answer', async () => {
        const answered = await ofProgram()
        return answered !== 503 && answered
      })
      expect(status).toBe(200)
    } else {
      expect(await ofProgram()).toBe(200)
    }
  }
  expect(await ask(program, `/${importId}/complete`, { trailer: state.trailer })).toBe(200)
  expect(linesOf(await exported(program)).entries).toEqual(entries)
}, 180_000)

test('where everybody is killed, nothing of it stays for the next import', async () => {
  const first = await started()
  expect(await ask(first, '', { importId: 'import-of-the-dead', header })).toBe(201)
  expect(await ask(first, '/import-of-the-dead/parts', { part: 0, lines: linesOfPart(0) })).toBe(200)
  const broken = ask(first, '/import-of-the-dead/parts', { part: 1, lines: linesOfPart(1) }).catch(() => 0)
  await killed(first)
  await broken

  const next = await started()
  expect(await ask(next, '', { importId: 'import-of-the-next', header })).toBe(409)
  // As if its sign of life had run out.
  await etcd.etcdctl('del', keys.importAlive)
  expect(await ask(next, '', { importId: 'import-of-the-next', header })).toBe(201)
  const store = openStore(etcd)
  const { items } = await store.snapshot(prefixes.everything)
  expect(items.map(({ key }) => key).filter(isOfState)).toEqual([])
  store.close()
  expect(await ask(next, '/import-of-the-dead/parts', { part: 2, lines: linesOfPart(2) })).toBe(404)
}, 120_000)
