/** One line of a program that is broken on purpose: the simulation must find what comes of it. */
export interface Mutant {
  readonly file: string
  readonly sound: string
  readonly broken: string
}

export const mutants: Readonly<Record<string, Mutant>> = {
  'the fence is not compared': {
    file: 'control-plane/src/commands/fenced-commands.ts',
    sound: 'when: [fence, ...guards],',
    broken: 'when: [...guards],',
  },
}
