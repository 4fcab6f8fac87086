/** In the order in which they run: the quick ones first. */
export const LEVELS = ['unit', 'api', 'nodes', 'oldest'] as const

export type Level = (typeof LEVELS)[number]

export interface Arguments {
  readonly levels: readonly Level[]
  /** Whether the levels were asked for by name: then each of them must run. */
  readonly isExplicit: boolean
  /** Of somebody's own cluster. Never taken from the environment: whoever has `KUBECONFIG` set did not ask for tests there. */
  readonly kubeconfig?: string
  readonly jestArguments: readonly string[]
}

/** Takes our own options out of the command line; the rest is jest's. @throws for a level that does not exist */
export function parseArguments(argv: readonly string[]): Arguments {
  const rest: string[] = []
  let levels: readonly Level[] | undefined
  let kubeconfig: string | undefined
  for (let index = 0; index < argv.length; index++) {
    const argument = argv[index] ?? ''
    const [name, inline] = argument.split(/=(.*)/s)
    if (name !== '--level' && name !== '--kubeconfig') {
      rest.push(argument)
      continue
    }
    const value = inline ?? argv[++index]
    if (value === undefined) throw new Error(`${name}: a value is missing`)
    if (name === '--level') levels = value.split(',').map(parseLevel)
    else kubeconfig = value
  }
  const chosen = LEVELS.filter((level) => levels?.includes(level) ?? true)
  return {
    levels: chosen,
    isExplicit: levels !== undefined,
    ...(kubeconfig !== undefined && { kubeconfig }),
    jestArguments: rest,
  }
}

function parseLevel(text: string): Level {
  const level = LEVELS.find((each) => each === text)
  if (level === undefined) throw new Error(`--level: expected some of ${LEVELS.join(', ')}, got '${text}'`)
  return level
}
