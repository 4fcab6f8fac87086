/** What a site file holds: texts, lists of texts, and objects of them. */
export type SiteValue = string | readonly string[] | { readonly [key: string]: SiteValue }
export type Site = Readonly<Record<string, SiteValue>>

/** A site file, taken apart. */
export interface SiteFile {
  /** The comment at its top, to the end of its last line. */
  readonly comment: string
  readonly site: Site
}

const printWidth = 120

/**
 * Takes a site file apart, together with the value that the module has.
 *
 * @returns `undefined` where the file says anything that writing it again would lose
 */
export function readSiteFile(text: string, value: unknown): SiteFile | undefined {
  const comment = /^(\/\*\*[^]*?\*\/\n)?/.exec(text)?.[0] ?? ''
  if (!isSite(value)) return undefined
  const file = { comment, site: value }
  return siteFileText(file) === text ? file : undefined
}

/** The text of a site file, as the project's formatter would leave it. */
export function siteFileText({ comment, site }: SiteFile): string {
  return `${comment}export const site = ${objectText(site, '')} as const\n`
}

function objectText(object: Readonly<Record<string, SiteValue>>, indent: string): string {
  const entries = Object.entries(object)
  if (entries.length === 0) return '{}'
  const deeper = `${indent}  `
  const lines = entries.map(([key, value]) => {
    const start = `${deeper}${/^[A-Za-z_$][\w$]*$/.test(key) ? key : literal(key)}: `
    return `${start}${valueText(value, deeper, start.length)},\n`
  })
  return `{\n${lines.join('')}${indent}}`
}

function valueText(value: SiteValue, indent: string, column: number): string {
  if (typeof value === 'string') return literal(value)
  if (!isList(value)) return objectText(value, indent)
  const items = value.map(literal)
  const line = `[${items.join(', ')}]`
  // The comma behind it counts.
  if (column + line.length + 1 <= printWidth) return line
  return `[\n${items.map((item) => `${indent}  ${item},\n`).join('')}${indent}]`
}

/** A text as a literal; the formatter prefers the quotes that need fewer escapes. */
function literal(text: string): string {
  const escaped = JSON.stringify(text).slice(1, -1)
  if (text.includes("'") && !text.includes('"')) return `"${escaped}"`
  return `'${escaped.replaceAll('\\"', '"').replaceAll("'", "\\'")}'`
}

function isList(value: SiteValue): value is readonly string[] {
  return Array.isArray(value)
}

function isSite(value: unknown): value is Site {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && Object.values(value).every(isSiteValue)
}

function isSiteValue(value: unknown): value is SiteValue {
  if (typeof value === 'string') return true
  return Array.isArray(value) ? value.every((one) => typeof one === 'string') : isSite(value)
}
