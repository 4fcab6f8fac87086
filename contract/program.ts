import type { NamespaceRole } from './names.ts'
import { type Problem } from './problem.ts'
import { type Defaulted, expectation, parseVariable, type Part, type ValueOf, type Variable } from './variable.ts'

/** A port on which a program listens. */
export interface Port {
  readonly number: number
  /** What is spoken on it, as `appProtocol` says it to meshes and people. */
  readonly speaks: 'http' | 'ws' | 'grpc' | 'tcp'
  /** Open only together with this part of the program. */
  readonly when?: Part
}

/** A GET that the kubelet asks; the figures are the kubelet's own. */
export interface Probe {
  readonly port: string
  readonly path: string
  readonly initialDelaySeconds: number
  readonly periodSeconds: number
  readonly timeoutSeconds: number
  readonly failureThreshold: number
}

/** Whom a program calls. Declared by the caller alone: the policies of both sides come from here. */
export type Call =
  | { readonly to: 'program'; readonly program: string; readonly port: string; readonly when?: Part }
  | { readonly to: 'outside'; readonly whom: Outsider; readonly when?: Part }
  | { readonly to: 'apiServer' }
  | { readonly to: 'dns' }

/** Who is called and is no program of ours. Where it is, an environment says. */
export type Outsider = 'openIdProvider'

/** One permission at the Kubernetes API. */
export interface Access {
  /** API group; '' is the core group. */
  readonly group: string
  /** Plural name, with a subresource after a slash. */
  readonly resource: string
  readonly verbs: readonly Verb[]
  /** The namespace in which it holds. */
  readonly in: NamespaceRole
  /** The one object that it is for, as a template of `names.ts`; without it, every object of the kind. */
  readonly name?: string
  readonly when?: Part
}

/** Verbs of the Kubernetes API. */
export type Verb = 'get' | 'list' | 'watch' | 'create' | 'update' | 'patch' | 'delete'

/** A metric that a program exports. */
export interface Metric {
  readonly name: string
  readonly type: 'counter' | 'gauge' | 'histogram'
  readonly labels: readonly string[]
  /** Upper bounds of a histogram's buckets, in its unit; only for histograms, which must have them. */
  readonly buckets?: readonly number[]
  readonly help: string
}

/** A folder that a program writes to; everything else is read-only. */
export interface ScratchFolder {
  readonly path: string
  /** Most that it may hold, as a quantity. */
  readonly size: string
}

/** What a program is, as data: the one place from which both the manifests and the program itself take it. */
export interface Program {
  readonly name: string
  readonly env: Readonly<Record<string, Variable>>
  readonly ports: Readonly<Record<string, Port>>
  readonly probes: Readonly<Record<'startup' | 'liveness' | 'readiness', Probe>>
  readonly calls: readonly Call[]
  readonly access: readonly Access[]
  readonly metrics: Readonly<Record<string, Metric>>
  readonly writes: readonly ScratchFolder[]
}

/**
 * Declares a program. The types hold what the data cannot say wrong: a probe asks a port that the program opens, and
 * a variable of an optional part that has no default may be absent to the program.
 */
export function program<
  const Env extends Readonly<Record<string, Variable>>,
  const Ports extends Readonly<Record<string, Port>>,
  const Metrics extends Readonly<Record<string, Metric>>,
>(
  name: string,
  declaration: Omit<Program, 'name' | 'env' | 'ports' | 'probes' | 'metrics'> & {
    readonly env: Env
    readonly ports: Ports
    readonly probes: Readonly<Record<keyof Program['probes'], Probe & { readonly port: keyof Ports & string }>>
    readonly metrics: Metrics
  },
) {
  return { name, ...declaration }
}

/** A call to another program, to a port that it has. */
export function to<P extends { readonly name: string; readonly ports: object }>(
  target: P,
  port: keyof P['ports'] & string,
): Call {
  return { to: 'program', program: target.name, port }
}

type WithDefault<P extends Program> = {
  [K in keyof P['env']]: P['env'][K] extends Defaulted<unknown> | { readonly default: unknown } ? K : never
}[keyof P['env']]
type OfPart<P extends Program> = {
  [K in keyof P['env']]: P['env'][K] extends { readonly when: Part } ? K : never
}[keyof P['env']]
type Downward<P extends Program> = {
  [K in keyof P['env']]: P['env'][K] extends { readonly type: 'downward' | 'injected' } ? K : never
}[keyof P['env']]

/**
 * What a construct must pass to a program: exactly the variables that nobody else fills, else it does not compile. What
 * belongs to an optional part is passed where the part is on, which no type knows.
 */
export type Settings<P extends Program> = {
  readonly [K in Exclude<keyof P['env'], WithDefault<P> | OfPart<P> | Downward<P>>]: ValueOf<P['env'][K]>
} & { readonly [K in Exclude<WithDefault<P> | OfPart<P>, Downward<P>>]?: ValueOf<P['env'][K]> | undefined }

/** What a program reads: every variable, parsed; `undefined` for one without a default whose part is off. */
export type Parsed<P extends Program> = {
  readonly [K in keyof P['env']]:
    ValueOf<P['env'][K]> | (K extends Exclude<OfPart<P>, WithDefault<P>> ? undefined : never)
}

/**
 * A program's configuration from its environment variables, or everything that is wrong with them at once.
 * Where a variable is missing its default stands; without a default that is a problem, unless the variable belongs to
 * an optional part of which no variable is set.
 */
export function parseSettings<P extends Program>(
  declared: P,
  environment: Readonly<Record<string, string | undefined>>,
): { readonly settings: Parsed<P> } | { readonly problems: readonly Problem[] } {
  const settings: Record<string, unknown> = {}
  const problems: Problem[] = []
  for (const [key, variable] of Object.entries(declared.env)) {
    const text = environment[variable.variable]
    if (text === undefined) {
      const fallback = defaultOf(variable)
      const because = variable.when === undefined ? undefined : signOf(declared, variable.when, environment)
      if (fallback === undefined && variable.when !== undefined && because === undefined) settings[key] = undefined
      else if (fallback === undefined) {
        problems.push({
          path: variable.variable,
          received: 'nothing',
          expected: `${expectation(variable)}${because === undefined ? '' : `, because ${because} is set`}`,
          fix: `set ${variable.variable}: ${variable.description}`,
          severity: 'error',
        })
      } else settings[key] = fallback
      continue
    }
    const parsed = parseVariable(variable, text)
    if ('value' in parsed) settings[key] = parsed.value
    else problems.push(parsed)
  }
  return problems.length > 0 ? { problems } : { settings: settings as Parsed<P> }
}

/** The first variable of a part that is set: the part is on. */
function signOf(
  { env }: Program,
  part: Part,
  environment: Readonly<Record<string, string | undefined>>,
): string | undefined {
  return Object.values(env).find(({ when, variable }) => when === part && environment[variable] !== undefined)?.variable
}

/** The default of a variable, if it has one. */
export function defaultOf(variable: Variable): string | number | boolean | readonly string[] | undefined {
  return 'default' in variable ? (variable as Defaulted<Variable>).default : undefined
}
