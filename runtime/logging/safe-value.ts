/** Longest text of one field, in UTF-16 units. What is longer is cut, and says so. */
export const longestField = 1024

/** What a field of a log line may hold: flat values, so that nothing can bring along what nobody looked at. */
export type FieldValue = string | number | boolean | bigint | Error | undefined
export type Fields = Readonly<Record<string, FieldValue>>

const redacted = '[redacted]'
/** Names of fields whose value may be a secret, whatever it is. */
const secretName = /authorization|token|secret|password|cookie|credential|api-?key|private-?key/i
/**
 * Secrets that found their way into a text, an error of a client for instance: values of an Authorization header, JSON
 * Web Tokens, keys in PEM, and credentials in a URL.
 */
const secretTexts: readonly (readonly [RegExp, string])[] = [
  [/\b(Bearer|Basic)\s+[^\s"',;]+/gi, `$1 ${redacted}`],
  [/\beyJ[\w-]{8,}\.[\w-]+(\.[\w-]*)?/g, redacted],
  [/-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\S]*?(-----END [A-Z ]*PRIVATE KEY-----|$)/g, redacted],
  [/(:\/\/)[^\s/@]+@/g, `$1${redacted}@`],
]
/** Line and paragraph separators, C1 controls, and marks that reorder a line: JSON lets them through, terminals obey. */
const deceptive = /[\u007f-\u009f\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069]/g

/**
 * The fields of a log line as they may be written: secrets replaced, long texts cut, control characters escaped.
 * An error becomes its message and, under the same name with `Stack`, where it was thrown.
 */
export function safeFields(fields: Fields): Readonly<Record<string, string | number | boolean>> {
  const safe: Record<string, string | number | boolean> = {}
  for (const [name, value] of Object.entries(fields)) {
    if (value === undefined) continue
    if (secretName.test(name)) safe[name] = redacted
    else if (typeof value === 'number' || typeof value === 'boolean') safe[name] = value
    else if (isError(value)) {
      safe[name] = safeText(messageOf(value))
      if (value.stack !== undefined) safe[`${name}Stack`] = safeText(framesOf(value.stack))
    } else safe[name] = safeText(String(value))
  }
  return safe
}

/** A text as it may be written. Secrets are looked for before it is cut: half of one is still one. */
export function safeText(text: string): string {
  let safe = text
  for (const [pattern, replacement] of secretTexts) safe = safe.replaceAll(pattern, replacement)
  if (safe.length > longestField) safe = `${safe.slice(0, longestField)}… (${safe.length} characters)`
  return safe
    .toWellFormed()
    .replaceAll(deceptive, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`)
}

/** The message with those of what caused it, in one line each, at most three deep. */
function messageOf(error: Error): string {
  const messages: string[] = []
  let current: unknown = error
  for (let depth = 0; depth < 3 && isError(current); depth += 1) {
    messages.push(`${current.name}: ${current.message}`)
    current = current.cause
  }
  return messages.join('; caused by ')
}

function framesOf(stack: string): string {
  return stack
    .split('\n')
    .filter((line) => /^\s+at /.test(line))
    .map((line) => line.trim())
    .join('; ')
}

/** By its form, because an error of another realm is no `instanceof Error` here. */
function isError(value: unknown): value is Error {
  return typeof value === 'object' && value !== null && 'name' in value && 'message' in value
}
