import { z } from 'zod'

/**
 * The fields that the slices of an environment are made of. Each says in one sentence what it is; `x-unit` carries
 * its unit and `x-form` the form of a text into the reference and into the warnings. No unions, tuples or transforms: the schema stays one that
 * Kubernetes can hold as a structural schema.
 */

/** Key under which a field's unit stands in the JSON Schema. */
export const unitKey = 'x-unit'
/** Key under which the form of a text stands in the JSON Schema, in words. */
export const formKey = 'x-form'

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

/** A text of one form. The words are what errors and the reference say of it. */
export function text(description: string, form: { max: number; pattern: RegExp; words: string }) {
  return z
    .string()
    .max(form.max)
    .regex(form.pattern, { error: form.words })
    .meta({ description, [formKey]: form.words })
}

/** A DNS-1123 label. */
export function dnsLabel(description: string, max = 63) {
  return text(description, {
    max,
    pattern: /^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/,
    words: `lower-case letters, digits and hyphens, ${max} at most, starting and ending with a letter or digit`,
  })
}

/** CPU as a quantity: whole CPUs or thousandths. */
export function cpu(description: string) {
  const form = { max: 20, pattern: /^([1-9][0-9]*m?|[0-9]+\.[0-9]{1,3})$/, words: 'CPUs such as "2", "0.5" or "500m"' }
  return text(description, form).meta({ [unitKey]: 'CPU' })
}

/** Memory or storage as a quantity with a unit. */
export function bytes(description: string) {
  const words = 'bytes with a binary unit, such as "512Mi" or "4Gi"'
  const form = { max: 20, pattern: /^[1-9][0-9]*(Ki|Mi|Gi|Ti|k|M|G|T)$/, words }
  return text(description, form).meta({ [unitKey]: 'bytes' })
}

const octet = '(25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])'
const ipv4 = `(${octet}\\.){3}${octet}`
const ipv6 = '[0-9a-f]{0,4}(:[0-9a-f]{0,4}){2,7}'
const cidrPattern = new RegExp(`^(${ipv4}/([0-9]|[12][0-9]|3[0-2])|${ipv6}/([0-9]|[1-9][0-9]|1[01][0-9]|12[0-8]))$`)

/** An IPv4 or IPv6 address range. */
export function cidr(description: string) {
  return text(description, { max: 64, pattern: cidrPattern, words: 'an address range such as "10.0.0.0/24"' })
}

// A name whose last part begins with a digit is read as an address, and refused where it is none.
const dnsName = '([a-z0-9]([-a-z0-9]*[a-z0-9])?\\.)*[a-z]([-a-z0-9]*[a-z0-9])?'
const port = '([1-9][0-9]{0,3}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5])'
const originPattern = new RegExp(`^https?://(${dnsName}|${ipv4})(:${port})?$`)

/** An http or https URL without credentials, path, query or fragment. */
export function originUrl(description: string) {
  const words = 'a URL such as "https://api.example.com", without path, query or credentials'
  return text(description, { max: 253, pattern: originPattern, words })
}

const issuerPattern = new RegExp(`^https://(${dnsName}|${ipv4})(:${port})?(/[-._~%A-Za-z0-9]*)*$`)

/** An https URL of an OpenID provider: with a path where it has one, and with a slash at the end where it has that. */
export function issuerUrl(description: string) {
  const words = 'an https URL such as "https://login.example.com/realms/main", without query or credentials'
  return text(description, { max: 512, pattern: issuerPattern, words })
}

/** One word: the name of a claim, or an audience. */
export function word(description: string, max: number) {
  const words = `1 to ${max} printable characters of ASCII, without blanks`
  return text(description, { max, pattern: /^[!-~]+$/, words })
}

/** Name of a Secret that something else puts into the namespace: it is neither in the repository nor in `dist/`. */
export function externalSecret(description: string) {
  const pattern = /^[a-z0-9]([-.a-z0-9]*[a-z0-9])?$/
  return text(description, { max: 253, pattern, words: 'the name of a Secret' })
}

/** What a container asks for and what it may use at most. */
export function resources(defaults: { readonly requests: ResourceAmounts; readonly limits: ResourceAmounts }) {
  const amounts = (what: string, { cpu: cpus, memory, ephemeralStorage }: ResourceAmounts) =>
    z
      .strictObject({
        cpu: cpu(`CPU ${what}`).default(cpus),
        memory: bytes(`memory ${what}`).default(memory),
        ephemeralStorage: bytes(`local disk ${what}, logs included`).default(ephemeralStorage),
      })
      .prefault({})
  return z.strictObject({
    requests: amounts('that is set aside', defaults.requests),
    limits: amounts('that is the most', defaults.limits),
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
