/** One line of a program that is broken on purpose: the simulation must find what comes of it. */
export interface Mutant {
  /** Where it is, from the top of the repository. */
  readonly file: string
  readonly sound: string
  readonly broken: string
}

const sent = `const written = await this.#commands.write(
      next.map(({ entry }) => entry),
      [...next.map(({ command }) => putOpen(command)), ...next.map(getPayload)],`

/** By what is wrong then. */
export const mutants: Readonly<Record<string, Mutant>> = {
  'the fence is not compared': {
    file: 'control-plane/src/commands/fenced-commands.ts',
    sound: 'when: [fence, ...guards],',
    broken: 'when: [...guards],',
  },
  'the record of a command is not compared': {
    file: 'control-plane/src/commands/fenced-commands.ts',
    sound: 'when: [fence, ...guards],',
    broken: 'when: [fence],',
  },
  'commands are sent before that is stored': {
    file: 'control-plane/src/commands/agent-queue.ts',
    sound: sent,
    broken: `const read = await this.#options.store.transact({ when: [], then: next.map(getPayload) })
    next.forEach(({ command }, index) => this.#send(command, itemsOf(read.results[index])))
    ${sent}`,
  },
  'an older epoch is admitted': {
    file: 'control-plane/src/hub/admission.ts',
    sound: "if (presented.epoch < fence.epoch) return { admitted: false, because: 'older' }",
    broken: "if (presented.epoch < fence.epoch) return { admitted: true, as: 'newer' }",
  },
  'a connection that ends takes the newer one of its agent along': {
    file: 'control-plane/src/hub/agent-status.ts',
    sound: 'when: [fence],\n          then: [{ delete: keys.connection(agentId) }',
    broken: 'when: [],\n          then: [{ delete: keys.connection(agentId) }',
  },
  'a key of idempotency is not looked for': {
    file: 'control-plane/src/commands/command-intake.ts',
    sound: '} else if (idempotency !== undefined && before !== undefined) {',
    broken: '} else if (idempotency !== undefined && before !== undefined && before.lease < 0n) {',
  },
  'several commands of a target are delivered at once': {
    file: 'control-plane/src/commands/next-steps.ts',
    sound: 'const isFirst = !busy.has(command.target)',
    broken: 'const isFirst = true',
  },
  'a watch begins one revision too late': {
    file: 'control-plane/src/store/watch.ts',
    sound: 'startRevision: after + 1n',
    broken: 'startRevision: after + 2n',
  },
  'an epoch is not the version of the write that acquired the Lease': {
    file: 'agent/src/election/learn.ts',
    sound: 'if (!state.hold && take) acquire(turn, take, version)',
    broken: 'if (!state.hold && take) acquire(turn, take, version + 1n)',
  },
}
