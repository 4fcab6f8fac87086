import { Server, ServerCredentials } from '@grpc/grpc-js'
import { afterEach, beforeEach, expect, test } from '@jest/globals'
import { type Member, Members } from '../../src/store/members.ts'

const asIs = (bytes: Buffer): Buffer => bytes
const path = '/test/Ask'

let server: Server
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
  const port = await new Promise<number>((resolve, reject) =>
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
