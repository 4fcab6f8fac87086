/** One thing that was looked at, in words that say what to do where it is not well. */
export interface Check {
  readonly name: string
  readonly ok: boolean
  readonly explanation: string
}
