const factors = {
  Ki: 2 ** 10,
  Mi: 2 ** 20,
  Gi: 2 ** 30,
  Ti: 2 ** 40,
  k: 1e3,
  M: 1e6,
  G: 1e9,
  T: 1e12,
} as const

/** Bytes of a quantity that the schema has accepted: 1073741824 of `1Gi`. */
export function inBytes(quantity: string): number {
  const [, digits = '', unit = ''] = /^([0-9]+)(\D*)$/.exec(quantity) ?? []
  return Number(digits) * (unit in factors ? factors[unit as keyof typeof factors] : 1)
}
