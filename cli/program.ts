import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { Command, type OutputConfiguration } from 'commander'
import { addAgents } from './agents.ts'
import { addCommands } from './commands.ts'
import { addFailover } from './failover.ts'
import { addImages } from './images.ts'
import { addInit } from './init.ts'
import { projectFolder } from './project.ts'
import { addRequires } from './requires.ts'
import { addShow } from './show.ts'
import { addState } from './state.ts'
import { addStatus } from './status.ts'
import { addStepDown } from './step-down.ts'
import { addSynth } from './synth.ts'
import { addTokens } from './tokens.ts'
import { addValidate } from './validate.ts'
import { addWhoami } from './whoami.ts'

/**
 * The program with all its commands. It throws what commander would exit with.
 *
 * @param output where help and mistakes in usage go
 */
export function createProgram(output: OutputConfiguration = {}): Command {
  const { version } = JSON.parse(readFileSync(join(projectFolder, 'package.json'), 'utf8')) as { version: string }
  const program = new Command('regent')
    .description('Highly available agents on Kubernetes: manifests from typed environments.')
    .version(version)
    .configureOutput(output)
    .exitOverride()
    .showHelpAfterError("(see 'npx regent --help')")
    .addHelpText(
      'after',
      `
Examples:
  $ npx regent validate                 everything that is wrong with any environment
  $ npx regent synth                    write dist/
  $ npx regent show staging agent       values, and the files that they come from

Exit codes: 0 done; 1 the answer is no (invalid configuration, a difference, something missing); 2 usage`,
    )
  const forManifests = [addSynth, addValidate, addShow, addRequires, addFailover, addImages, addInit]
  for (const add of [...forManifests, addStatus, addStepDown, addAgents, addCommands, addTokens, addState, addWhoami])
    add(program)
  return program
}
