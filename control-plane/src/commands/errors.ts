/** As many commands of the agent are open as may be; nothing was stored. HTTP 429. */
export class QueueFull extends Error {
  override readonly name = 'QueueFull'
}

/** The idempotency key was used for another command; nothing was stored. HTTP 422. */
export class IdempotencyKeyReused extends Error {
  override readonly name = 'IdempotencyKeyReused'
}
