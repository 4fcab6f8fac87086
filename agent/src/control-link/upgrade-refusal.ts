import type { IncomingMessage } from 'node:http'
import type { Ending } from './attempt-failed.ts'
import { foreignWords } from '@regent/runtime/logging/foreign-words.ts'

/** Most bytes that are read of an answer that refuses: its first words say why. */
const mostBytes = 1024
/** Longest wait that a `Retry-After` is believed for, in seconds. */
const longestRetryAfterSeconds = 30

/** Why an upgrade was refused: the status, the first words of the answer, and how long to wait. */
export async function upgradeRefusal(origin: string, response: IncomingMessage): Promise<Ending> {
  const { statusCode: status = 0, headers } = response
  const retryAfterMs = retryAfter(headers['retry-after'])
  const words = foreignWords(await firstWords(response))
  return {
    why: `${origin} answered the upgrade with ${status}${words === '' ? '' : `: ${words}`}`,
    status,
    ...(retryAfterMs !== undefined && { retryAfterMs }),
  }
}

async function firstWords(response: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = []
  let bytes = 0
  try {
    for await (const chunk of response as AsyncIterable<Buffer>) {
      chunks.push(chunk)
      bytes += chunk.length
      if (bytes >= mostBytes) break
    }
  } catch {
    // What came of it before it broke says enough.
  }
  return Buffer.concat(chunks).subarray(0, mostBytes).toString()
}

function retryAfter(header: string | undefined): number | undefined {
  const seconds = Number(header)
  if (header === undefined || !Number.isInteger(seconds) || seconds < 0) return undefined
  return Math.min(seconds, longestRetryAfterSeconds) * 1000
}
