import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { AgentMessage, ControlPlaneMessage } from '../../messages.ts'

// Version 1 of the protocol, as its first release spoke it. These files are never changed: a version that is spoken is
// spoken for as long as any agent or control plane of its time may still run.

/** A message as a program of version 1 sends it. */
export interface Golden<Message> {
  readonly name: string
  readonly message: Message
}

export const goldenFromAgent = read('from-agent.json') as readonly Golden<AgentMessage>[]
export const goldenFromControlPlane = read('from-control-plane.json') as readonly Golden<ControlPlaneMessage>[]
/** What both sides rely on beside the messages. */
export const goldenConnection = read('connection.json') as Readonly<Record<string, unknown>>

/** The message as a newer neighbour sends it: with fields that this version does not know, at every level of its own. */
export function asNewer<Message extends object>(message: Message): Message {
  const newer = { ...message, addedLater: { deep: [1, { deeper: null }] } }
  return 'capacity' in newer ? { ...newer, capacity: Object.assign({ addedLater: [{}] }, newer.capacity) } : newer
}

/** What is wrong with a message in the eyes of a program of version 1, which knows no other fields; nothing at best. */
export function strangeToVersion1(message: ControlPlaneMessage): string | undefined {
  const known = goldenFromControlPlane.map((golden) => golden.message).filter(({ type }) => type === message.type)
  if (known.length === 0) return `'${message.type}' is no message of version 1`
  const fields = (of: object): string[] => Object.keys(of)
  const required = known.map(fields).reduce((one, other) => one.filter((field) => other.includes(field)))
  const missing = required.filter((field) => !fields(message).includes(field))
  return missing.length === 0 ? undefined : `'${message.type}' without ${missing.join(', ')}`
}

function read(file: string): unknown {
  return JSON.parse(readFileSync(join(import.meta.dirname, file), 'utf8'))
}
