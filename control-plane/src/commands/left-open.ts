import type { OpenCommand } from './command-records.ts'

/** The commands of all agents that a sweep found open and left so. */
export interface LeftOpen {
  readonly count: number
  /** RFC 3339; absent where there is none. */
  readonly oldestCreatedAt?: string | undefined
  /** Records of which nobody knows what they say. */
  readonly unreadable: number
}

/** One more command that was left open. */
export function withOpen(left: LeftOpen, { createdAt }: Pick<OpenCommand, 'createdAt'>): LeftOpen {
  const { oldestCreatedAt } = left
  const isOldest = oldestCreatedAt === undefined || Date.parse(createdAt) < Date.parse(oldestCreatedAt)
  return { ...left, count: left.count + 1, oldestCreatedAt: isOldest ? createdAt : oldestCreatedAt }
}
