import { roles } from '@regent/contract/api.ts'
import * as fc from 'fast-check'
import type { StateEntry } from '../../src/state/state-entries.ts'

const time = fc
  .date({ min: new Date('2020-01-01'), max: new Date('2100-01-01'), noInvalidDate: true })
  .map((date) => date.toISOString())
const id = fc.stringMatching(/^[a-z]([-a-z0-9]{0,10}[a-z0-9])?$/)
const secretId = fc.stringMatching(/^[a-z0-9]{8,32}$/)
const commandId = fc.stringMatching(/^[A-Za-z0-9_-]{1,64}$/)
const hash = fc.stringMatching(/^[0-9a-f]{64}$/)
const text = fc.string({ minLength: 1, maxLength: 40, unit: 'binary' })
const epoch = fc.bigInt({ min: 1n, max: 10n ** 38n }).map(String)
/** As it comes out of JSON: without -0, which JSON does not write. */
const json = fc.jsonValue({ maxDepth: 4 }).map((value) => JSON.parse(JSON.stringify(value)) as never)
const maybe = <Value>(arbitrary: fc.Arbitrary<Value>) => fc.option(arbitrary, { nil: undefined })
/** Without the fields that are not there: a record has none of them. */
const present = <Value extends object>(arbitrary: fc.Arbitrary<Value>) =>
  arbitrary.map((value) => JSON.parse(JSON.stringify(value)) as Value)

const fence = fc.record({ lineage: text, epoch, holder: text, connectionId: text, pod: text, since: time })
const agent = present(
  fc.record({
    approval: fc.constantFrom('pending', 'approved', 'rejected'),
    decidedBy: maybe(text),
    registeredAt: time,
    region: maybe(text),
    features: maybe(fc.array(text, { maxLength: 3 })),
  }),
)
const command = (agentId: string, payload: unknown) => ({
  agentId: fc.constant(agentId),
  commandId,
  action: text,
  target: text,
  createdAt: time,
  createdBy: text,
  deadlineAt: time,
  payloadBytes: fc.constant(Buffer.byteLength(JSON.stringify(payload))),
  deliveries: fc.integer({ min: 0, max: 3 }),
  cancelRequestedBy: maybe(text),
  lastDelivery: maybe(fc.record({ connectionId: text, holder: text, epoch, at: time })),
})

/** Any agent with its keys and commands, in the order of a state. */
const ofAgent = (agentId: string): fc.Arbitrary<readonly StateEntry[]> =>
  fc
    .record({
      agent,
      fence: maybe(fence),
      lastSeenAt: maybe(time),
      keys: fc.uniqueArray(secretId, { maxLength: 3 }),
      payloads: fc.array(json, { maxLength: 5 }),
      created: time,
    })
    .chain((made) =>
      fc
        .uniqueArray(
          fc.constantFrom(...made.payloads, 0 as never).chain((payload) =>
            fc.record({
              command: present(fc.record(command(agentId, payload))),
              payload: fc.constant(payload),
              isOpen: fc.boolean(),
              at: time,
            }),
          ),
          { maxLength: 6, selector: (given) => given.command.commandId },
        )
        .map((commands): readonly StateEntry[] => [
          {
            kind: 'agent',
            agentId,
            agent: made.agent,
            ...(made.lastSeenAt !== undefined && { lastSeenAt: made.lastSeenAt }),
            ...(made.fence !== undefined && { fence: made.fence }),
          },
          ...made.keys.toSorted().map((keyId) => ({
            ...{ kind: 'key' as const, agentId, keyId },
            key: { hash: 'a'.repeat(64), createdAt: made.created, createdBy: 'somebody' },
          })),
          ...commands
            .filter(({ isOpen }) => isOpen)
            .map(({ command: given, payload }) => ({
              ...{ kind: 'open-command' as const, payload },
              command: { ...given, state: 'received' as const },
            })),
          ...commands
            .filter(({ isOpen }) => !isOpen)
            .map(({ command: given, payload, at }) => ({
              ...{ kind: 'done-command' as const, payload },
              command: { ...given, state: 'done' as const, finishedAt: at, result: payload },
            }))
            .toSorted((one, other) => (one.command.commandId < other.command.commandId ? -1 : 1)),
        ]),
    )

const tokens = fc.uniqueArray(
  fc.record({
    kind: fc.constant('token' as const),
    tokenId: secretId,
    token: fc.record({
      ...{ name: text, hash, role: fc.constantFrom(...roles) },
      ...{ createdAt: time, createdBy: text, expiresAt: time },
    }),
  }),
  { maxLength: 3, selector: ({ tokenId }) => tokenId },
)

/** Any state: its entries, in their order. */
export const anyState: fc.Arbitrary<readonly StateEntry[]> = fc
  .uniqueArray(id, { maxLength: 3 })
  .chain((agentIds) => fc.tuple(fc.tuple(...agentIds.toSorted().map(ofAgent)), tokens))
  .map(([agents, made]) => [...agents.flat(), ...made.toSorted((one, other) => (one.tokenId < other.tokenId ? -1 : 1))])
