import { InvalidArgumentError } from 'commander'

/** Parses the value of an option that is a number from `least` to `most`. */
export function wholeNumber(least: number, most: number): (text: string) => number {
  return (text) => {
    const number = /^\d+$/.test(text) ? Number(text) : NaN
    if (number >= least && number <= most) return number
    throw new InvalidArgumentError(`expected a number from ${least} to ${most}, got '${text}'`)
  }
}
