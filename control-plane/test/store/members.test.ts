import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { Server, ServerCredentials } from '@grpc/grpc-js'
import { afterEach, beforeEach, expect, test } from '@jest/globals'
import { type Member, Members } from '../../src/store/members.ts'

const asIs = (bytes: Buffer): Buffer => bytes
const path = '/test/Ask'

let server: Server
let port: number
let members: Members
/** Answers, to each call, from which address it came; a test lets them go. */
let arrived: { readonly what: string; readonly answer: () => void }[]
beforeEach(async () => {
  arrived = []
  server = new Server()
  const serialize = {
    requestSerialize: asIs,
    requestDeserialize: asIs,
    responseSerialize: asIs,
    responseDeserialize: asIs,
  }
  server.addService(
    { ask: { path, requestStream: false, responseStream: false, ...serialize } },
    {
      ask: (
        call: { readonly request: Buffer; readonly getPeer: () => string },
        answer: (error: null, value: Buffer) => void,
      ) => {
        arrived.push({ what: call.request.toString(), answer: () => answer(null, Buffer.from(call.getPeer())) })
      },
    },
  )
  port = await new Promise<number>((resolve, reject) =>
    server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, bound) =>
      error === null ? resolve(bound) : reject(error),
    ),
  )
  members = new Members({ endpoints: [`http://127.0.0.1:${port}`] })
})
afterEach(() => {
  members.close()
  server.forceShutdown()
})

const connected = (): Promise<Member> => members.connected(performance.now() + 5000)

/** Asks, and resolves with the address from which that came to the server. */
function ask({ client }: Member, what: string): Promise<string | undefined> {
  return new Promise((resolve, reject) =>
    client.makeUnaryRequest(path, asIs, asIs, Buffer.from(what), (error, value) =>
      error === null ? resolve(value?.toString()) : reject(error),
    ),
  )
}

async function answered(what: string): Promise<void> {
  for (;;) {
    const call = arrived.find((each) => each.what === what)
    if (call !== undefined) {
      call.answer()
      return
    }
    await new Promise((resolve) => setImmediate(resolve))
  }
}

test('a member that is silent is called over another connection, and calls on the one before may end', async () => {
  const member = await connected()
  const before = ask(member, 'before')
  members.silent(member)
  const justGiven = ask(member, 'just given')
  const again = await connected()
  const after = ask(again, 'after')
  for (const what of ['after', 'just given', 'before']) await answered(what)
  expect(await justGiven).toBe(await before)
  expect(await after).not.toBe(await before)
})

test('a member that several call silent is connected to once more, and no oftener', async () => {
  const member = await connected()
  members.silent(member)
  const again = await connected()
  members.silent(member)
  expect(await connected()).toBe(again)
})

test('a connection that is accepted by a process that hangs is given up for another one, each later than the last', async () => {
  const accepted: Socket[] = []
  const hanging = createServer((socket) => {
    accepted.push(socket)
    socket.on('error', () => undefined)
    // The third one comes through.
    if (accepted.length < 3) return
    const onward = connect(port, '127.0.0.1')
    onward.on('error', () => undefined)
    socket.on('close', () => onward.destroy())
    socket.pipe(onward).pipe(socket)
  })
  hanging.listen(0, '127.0.0.1')
  await once(hanging, 'listening')
  const patient = new Members({
    endpoints: [`http://127.0.0.1:${(hanging.address() as AddressInfo).port}`],
    patienceMs: 200,
  })
  try {
    const member = await patient.connected(performance.now() + 20_000)
    expect(member.patienceMs).toBe(800)
    expect(member.again().patienceMs).toBe(200)
    const asked = ask(member, 'at last')
    await answered('at last')
    await asked
    expect(accepted).toHaveLength(3)
    patient.close()
    await expect(patient.connected(performance.now() + 1000)).rejects.toThrow('cannot be reached')
    expect(accepted).toHaveLength(3)
  } finally {
    patient.close()
    for (const socket of accepted) socket.destroy()
    hanging.close()
  }
}, 30_000)
