import { z } from 'zod'

/**
 * The fields that the slices of an environment are made of. Each says in one sentence what it is; `x-unit` carries
 * its unit into the reference and into the warnings. No unions, tuples or transforms: the schema stays one that
 * Kubernetes can hold as a structural schema.
 */

/** Key under which a field's unit stands in the JSON Schema. */
export const unitKey = 'x-unit'

/** A number of seconds; fractions allowed. */
export function seconds(description: string, range: { min: number; max: number }) {
  return z
    .number()
    .min(range.min)
    .max(range.max)
    .meta({ description, [unitKey]: 's' })
}

/** A whole number. */
export function count(description: string, range: { min: number; max: number }, unit?: string) {
  return z
    .int()
    .min(range.min)
    .max(range.max)
    .meta(unit === undefined ? { description } : { description, [unitKey]: unit })
}

/** A DNS-1123 label. */
export function dnsLabel(description: string, max = 63) {
  return z
    .string()
    .max(max)
    .regex(/^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/, {
      error: `lower-case letters, digits and hyphens, ${max} at most, starting and ending with a letter or digit`,
    })
    .meta({ description })
}

/** CPU as a quantity: whole CPUs or thousandths. */
export function cpu(description: string) {
  return z
    .string()
    .regex(/^([1-9][0-9]*m?|[0-9]+\.[0-9]{1,3})$/, { error: 'CPUs such as "2", "0.5" or "500m"' })
    .meta({ description, [unitKey]: 'CPU' })
}

/** Memory or storage as a quantity with a unit. */
export function bytes(description: string) {
  return z
    .string()
    .regex(/^[1-9][0-9]*(Ki|Mi|Gi|Ti|k|M|G|T)$/, { error: 'bytes with a binary unit, such as "512Mi" or "4Gi"' })
    .meta({ description, [unitKey]: 'bytes' })
}

const octet = '(25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])'
const cidrPattern = new RegExp(
  `^((${octet}\\.){3}${octet}/([0-9]|[12][0-9]|3[0-2])` +
    '|[0-9a-f]{0,4}(:[0-9a-f]{0,4}){2,7}/([0-9]|[1-9][0-9]|1[01][0-9]|12[0-8]))$',
)

/** An IPv4 or IPv6 address range. */
export function cidr(description: string) {
  return z
    .string()
    .max(64)
    .regex(cidrPattern, { error: 'an address range such as "10.0.0.0/24"' })
    .meta({ description })
}

/** An http or https URL without credentials, path, query or fragment. */
export function originUrl(description: string) {
  return z
    .string()
    .max(253)
    .regex(/^https?:\/\/[a-z0-9]([-.a-z0-9]*[a-z0-9])?(:[0-9]{1,5})?$/, {
      error: 'a URL such as "https://api.example.com", without path, query or credentials',
    })
    .meta({ description })
}

/** Name of a Secret that something else puts into the namespace: it is neither in the repository nor in `dist/`. */
export function externalSecret(description: string) {
  return z
    .string()
    .max(253)
    .regex(/^[a-z0-9]([-.a-z0-9]*[a-z0-9])?$/, { error: 'the name of a Secret' })
    .meta({ description })
}

/** What a container asks for and what it may use at most. */
export function resources(defaults: { readonly requests: ResourceAmounts; readonly limits: ResourceAmounts }) {
  const amounts = (what: string) =>
    z.strictObject({
      cpu: cpu(`CPU ${what}`),
      memory: bytes(`memory ${what}`),
      ephemeralStorage: bytes(`local disk ${what}, logs included`),
    })
  return z.strictObject({
    requests: amounts('that is set aside').prefault(defaults.requests),
    limits: amounts('that is the most').prefault(defaults.limits),
  })
}

export interface ResourceAmounts {
  readonly cpu: string
  readonly memory: string
  readonly ephemeralStorage: string
}
export interface Resources {
  readonly requests: ResourceAmounts
  readonly limits: ResourceAmounts
}
