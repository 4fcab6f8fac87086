/** Kubernetes keeps quantities to a billionth; so do we, exactly. */
const scale = 9

const powersOfTen: Readonly<Record<string, number>> = {
  n: -9,
  u: -6,
  m: -3,
  '': 0,
  k: 3,
  M: 6,
  G: 9,
  T: 12,
  P: 15,
  E: 18,
}
const powersOf1024: Readonly<Record<string, bigint>> = { Ki: 1n, Mi: 2n, Gi: 3n, Ti: 4n, Pi: 5n, Ei: 6n }

/**
 * A quantity of Kubernetes (`500m`, `1.5Gi`, `2e3`, `4`) in billionths of its unit, or nothing where it is none.
 * Finer than a billionth is rounded up, as Kubernetes does. Exact: floating point would let 0.1 + 0.2 exceed 0.3.
 *
 * @see https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity/
 */
export function parseQuantity(quantity: string | number): bigint | undefined {
  const parts = /^([+-]?)(\d+\.?\d*|\.\d+)(?:([numkMGTPE]?|[KMGTPE]i)|[eE]([+-]?\d{1,2}))$/.exec(String(quantity))
  if (parts === null) return undefined
  const [, sign = '', number = '', suffix = '', exponent] = parts
  const [whole = '', fraction = ''] = number.split('.')
  const binary = powersOf1024[suffix]
  const digits = BigInt(whole + fraction) * (binary === undefined ? 1n : 1024n ** binary)
  const power = scale - fraction.length + (exponent === undefined ? (powersOfTen[suffix] ?? 0) : Number(exponent))
  const value = power >= 0 ? digits * 10n ** BigInt(power) : ceiling(digits, 10n ** BigInt(-power))
  return sign === '-' ? -value : value
}

/** Billionths as people write them: bytes in the largest binary unit that leaves no rest, anything else in thousandths. */
export function printQuantity(billionths: bigint, resource: string): string {
  const whole = billionths / 10n ** BigInt(scale)
  if (billionths !== whole * 10n ** BigInt(scale)) return `${ceiling(billionths, 10n ** 6n)}m`
  if (!/memory|storage/.test(resource)) return String(whole)
  const unit = Object.entries(powersOf1024).findLast(([, power]) => whole !== 0n && whole % 1024n ** power === 0n)
  return unit === undefined ? String(whole) : `${whole / 1024n ** unit[1]}${unit[0]}`
}

function ceiling(dividend: bigint, divisor: bigint): bigint {
  return (dividend + divisor - 1n) / divisor
}

/** Bytes of a quantity that the schema has accepted: 1610612736 of `1.5Gi`. @throws where it is none */
export function inBytes(quantity: string): number {
  const billionths = parseQuantity(quantity)
  if (billionths === undefined) throw new Error(`expected a quantity such as 4Gi, got '${quantity}'; correct it`)
  return Number(billionths / 10n ** BigInt(scale))
}
