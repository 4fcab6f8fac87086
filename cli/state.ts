import type { Command } from 'commander'
import { takingControlPlane, whichControlPlane } from './control-plane-connection.ts'
import type { StateOptions } from './state-options.ts'

export function addState(program: Command): void {
  const state = program.command('state').description('export the state of a control plane, and import it elsewhere')
  state.addHelpText(
    'after',
    `
Examples:
  $ npx regent state export --output state.ndjson
  $ npx regent state import state.ndjson

${whichControlPlane}`,
  )
  const add = (name: string, description: string): Command =>
    takingControlPlane(state.command(name).description(description))
  add('export', 'write the state as it is at one moment, whole or not at all')
    .option('--output <file>', 'write a file that only you may read (default: standard output)')
    .option('--force', 'replace the file if it is there')
    .action(async (options: StateOptions) => (await import('./state-export.ts')).exportState(options))
  add('import', 'import a state into a control plane that has none, whole or not at all')
    .argument('<file>', 'what state export has written')
    .option('--drop-open-commands', 'give up commands that had not ended, instead of carrying them out')
    .action(async (file: string, options: StateOptions) =>
      (await import('./state-import.ts')).importState(file, options),
    )
}
