import { isIP } from 'node:net'
import { type Problem, printed } from './problem.ts'

/** Optional parts of the programs. A closed set: what a part brings along is declared with `when`. */
export type Part =
  /** Leader election on a Lease: more than one replica. */
  | 'election'
  /** Standbys watch the agent's pods: a terminated container of the leader is evidence of its death. */
  | 'podEvidence'
  /** The agent proves itself by its ServiceAccount's token: control plane in the same cluster. */
  | 'serviceAccountToken'
  /** The agent proves itself by an API key: control plane elsewhere. */
  | 'apiKey'
  /** The agent proves itself by a client certificate: control plane elsewhere. */
  | 'clientCertificate'
  /** The control plane takes client certificates of agents, of an authority of their own. */
  | 'agentCertificates'
  /** People prove themselves by tokens of an OpenID provider. */
  | 'oidc'
  /** The certificate of the OpenID provider is of an authority of its own. */
  | 'oidcCa'
  /** The control plane serves TLS, and agents check it against a certificate authority of their own. */
  | 'controlPlaneTls'
  /** etcd's clients speak TLS with certificates of their own. */
  | 'etcdTls'

interface Common {
  /** The environment variable. */
  readonly variable: string
  /** One sentence: what it is for. */
  readonly description: string
  /**
   * Present only together with this part of the program. The part is on where one of its variables is set; those of them
   * that have no default are required then, and `undefined` otherwise.
   */
  readonly when?: Part
}

/** A DNS-1123 label: lower-case letters, digits and hyphens. */
interface NameVariable extends Common {
  readonly type: 'name'
  /** Most characters. */
  readonly max: number
}
/** A number of seconds; fractions allowed. */
interface SecondsVariable extends Common {
  readonly type: 'seconds'
  readonly min: number
  readonly max: number
}
interface IntegerVariable extends Common {
  readonly type: 'integer'
  readonly min: number
  readonly max: number
}
/** `true` or `false`, nothing else. */
interface BooleanVariable extends Common {
  readonly type: 'boolean'
}
interface ChoiceVariable extends Common {
  readonly type: 'choice'
  readonly choices: readonly string[]
}
/** Several of the choices, separated by commas; at least one, each once. */
interface ChoicesVariable extends Common {
  readonly type: 'choices'
  readonly choices: readonly string[]
}
/** One word of printable ASCII. */
interface WordVariable extends Common {
  readonly type: 'word'
  /** Most characters. */
  readonly max: number
}
/** A JSON list of texts: what others name as they like, so that no separator is safe. */
interface TextsVariable extends Common {
  readonly type: 'texts'
  /** Fewest texts. */
  readonly fewest: number
  /** Most texts. */
  readonly most: number
  /** Most characters of each. */
  readonly max: number
}
/** A URL with one of the schemes, without credentials, query or fragment. */
interface UrlVariable extends Common {
  readonly type: 'url'
  readonly schemes: readonly string[]
}
/** Several URLs separated by commas. */
interface UrlsVariable extends Common {
  readonly type: 'urls'
  readonly schemes: readonly string[]
}
/** An absolute path of a file in the container. Secrets are files: no variable ever holds one. */
interface FileVariable extends Common {
  readonly type: 'file'
  /** Whether the file holds a secret: never logged, mode 0440. */
  readonly secret: boolean
}
/** A quantity of Kubernetes: `4`, `500m`, `16Gi`. */
interface QuantityVariable extends Common {
  readonly type: 'quantity'
}
/** A fact about the pod that the kubelet fills in. */
interface DownwardVariable extends Common {
  readonly type: 'downward'
  readonly fieldPath: string
}

/** A fact about the cluster that Kubernetes itself puts into every container; no manifest sets it. */
interface InjectedVariable extends Common {
  readonly type: 'injected'
}
/** An address to listen on: IPv4 or IPv6. */
interface AddressVariable extends Common {
  readonly type: 'address'
}

/** Address ranges such as `10.0.0.0/24`, separated by commas, or `none`. No range is every address. */
interface RangesVariable extends Common {
  readonly type: 'ranges'
  /** Most ranges. */
  readonly most: number
}

/** One environment variable of a program, as data. */
export type Variable =
  | NameVariable
  | SecondsVariable
  | IntegerVariable
  | BooleanVariable
  | ChoiceVariable
  | ChoicesVariable
  | WordVariable
  | TextsVariable
  | UrlVariable
  | UrlsVariable
  | FileVariable
  | QuantityVariable
  | DownwardVariable
  | InjectedVariable
  | AddressVariable
  | RangesVariable

/** What the program reads from a variable. */
export type ValueOf<V> = V extends { type: 'seconds' | 'integer' }
  ? number
  : V extends { type: 'boolean' }
    ? boolean
    : V extends { type: 'choice'; choices: readonly (infer C)[] }
      ? C
      : V extends { type: 'choices'; choices: readonly (infer C)[] }
        ? readonly C[]
        : V extends { type: 'urls' | 'texts' | 'ranges' }
          ? readonly string[]
          : string

/** A variable's default makes passing it optional. */
export type Defaulted<V> = V & { readonly default: ValueOf<V> }

/** A DNS-1123 label, apart from its length. */
export const namePattern = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/
const quantityPattern = /^[0-9]+(\.[0-9]+)?(m|k|Ki|M|Mi|G|Gi|T|Ti)?$/

/** What a variable accepts, in words. */
export function expectation(variable: Variable): string {
  switch (variable.type) {
    case 'name':
      return `1 to ${variable.max} lower-case letters, digits and hyphens`
    case 'seconds':
      return `a number of seconds from ${variable.min} to ${variable.max}`
    case 'integer':
      return `a whole number from ${variable.min} to ${variable.max}`
    case 'boolean':
      return '`true` or `false`'
    case 'choice':
      return `one of ${variable.choices.join(', ')}`
    case 'choices':
      return `some of ${variable.choices.join(', ')}, separated by commas, each once`
    case 'word':
      return `1 to ${variable.max} printable characters of ASCII, without blanks`
    case 'texts':
      return `a JSON list of ${variable.fewest} to ${variable.most} texts of 1 to ${variable.max} characters, none of which is a control character`
    case 'url':
      return `one ${variable.schemes.join(' or ')} URL without credentials, query or fragment`
    case 'urls':
      return `${variable.schemes.join(' or ')} URLs separated by commas, without credentials, query or fragment`
    case 'file':
      return 'the absolute path of a file'
    case 'quantity':
      return 'a quantity of Kubernetes, such as 500m, 4 or 16Gi'
    case 'downward':
      return `the pod's ${variable.fieldPath}`
    case 'injected':
      return 'what Kubernetes sets in every container'
    case 'address':
      return 'an IPv4 or IPv6 address'
    case 'ranges':
      return `\`none\`, or at most ${variable.most} address ranges such as 10.0.0.0/24 separated by commas, none of them every address`
  }
}

/**
 * The value of a variable's text, or the problem with it.
 * One parser per type, here and nowhere else, so that constructs and programs cannot disagree.
 */
export function parseVariable<V extends Variable>(variable: V, text: string): { value: ValueOf<V> } | Problem {
  const value = valueOf(variable, text)
  if (value !== undefined) return { value: value as ValueOf<V> }
  return {
    path: variable.variable,
    received: receivedText(variable, text),
    expected: expectation(variable),
    fix: `set ${variable.variable}: ${variable.description}`,
    severity: 'error',
  }
}

/** The text as a problem repeats it: never what could be a secret that was put in the wrong place. */
function receivedText(variable: Variable, text: string): string {
  if (variable.type === 'file' && variable.secret) return 'something else, which is not shown: it may be the secret'
  if ((variable.type === 'url' || variable.type === 'urls') && /[@?#]/.test(text)) {
    return 'something else, which is not shown: it may hold credentials'
  }
  return printed(text)
}

function valueOf(variable: Variable, text: string): string | number | boolean | readonly string[] | undefined {
  switch (variable.type) {
    case 'name':
      return text.length <= variable.max && namePattern.test(text) ? text : undefined
    case 'seconds':
      return numberIn(variable, text, /^[0-9]+(\.[0-9]+)?(e-[0-9]+)?$/)
    case 'integer':
      return numberIn(variable, text, /^[0-9]+$/)
    case 'boolean':
      return text === 'true' ? true : text === 'false' ? false : undefined
    case 'choice':
      return variable.choices.includes(text) ? text : undefined
    case 'choices': {
      const chosen = text.split(',')
      return new Set(chosen).size === chosen.length && chosen.every((one) => variable.choices.includes(one))
        ? chosen
        : undefined
    }
    case 'word':
      return text.length <= variable.max && /^[!-~]+$/.test(text) ? text : undefined
    case 'texts':
      return textsOf(variable, text)
    case 'url':
      return isUrl(text, variable.schemes) ? text : undefined
    case 'urls': {
      const urls = text.split(',')
      return urls.every((url) => isUrl(url, variable.schemes)) ? urls : undefined
    }
    case 'file':
      return /^\/[^\0]+$/.test(text) ? text : undefined
    case 'quantity':
      return quantityPattern.test(text) ? text : undefined
    case 'downward':
    case 'injected':
      return text === '' ? undefined : text
    case 'address':
      return isIP(text) === 0 ? undefined : text
    case 'ranges': {
      const ranges = text === 'none' ? [] : text.split(',')
      return ranges.length <= variable.most && ranges.every(isRange) ? ranges : undefined
    }
  }
}

function numberIn(range: { min: number; max: number }, text: string, pattern: RegExp): number | undefined {
  const value = Number(text)
  return pattern.test(text) && value >= range.min && value <= range.max ? value : undefined
}

function textsOf({ fewest, most, max }: TextsVariable, text: string): readonly string[] | undefined {
  let read: unknown
  try {
    read = JSON.parse(text)
  } catch {
    return undefined
  }
  if (!Array.isArray(read) || read.length < fewest || read.length > most) return undefined
  const texts = read.filter(
    (one): one is string => typeof one === 'string' && one.length <= max && /^\P{Cc}+$/u.test(one),
  )
  return texts.length === read.length ? texts : undefined
}

function isRange(text: string): boolean {
  const [, address = '', length = ''] = /^([0-9A-Fa-f:.]+)\/([1-9][0-9]{0,2})$/.exec(text) ?? []
  return isIP(address) !== 0 && Number(length) <= (isIP(address) === 4 ? 32 : 128)
}

function isUrl(text: string, schemes: readonly string[]): boolean {
  const url = URL.parse(text)
  if (url === null) return false
  const credentials = url.username + url.password
  // What the parser mends or drops is refused: `http:host`, a trailing `?`, white space, backslashes.
  return schemes.some((scheme) => text.startsWith(`${scheme}://`)) && credentials === '' && !/[?#\s\\]/.test(text)
}

/** The text of a variable's value, as a manifest writes it. */
export function variableText(
  { type }: Pick<Variable, 'type'>,
  value: string | number | boolean | readonly string[],
): string {
  if (typeof value !== 'object') return String(value)
  // An empty value is one that the API server leaves out: every apply would see a difference.
  if (type === 'ranges' && value.length === 0) return 'none'
  return type === 'texts' ? JSON.stringify(value) : value.join(',')
}
