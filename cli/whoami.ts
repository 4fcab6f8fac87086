import type { Command } from 'commander'
import { type ControlPlaneOptions, takingControlPlane, whichControlPlane } from './control-plane-connection.ts'
import { printJson, visible } from './print.ts'

interface Options extends ControlPlaneOptions {
  readonly json?: true
}

export function addWhoami(program: Command): void {
  takingControlPlane(program.command('whoami').description('show who you are to a control plane, and what you may do'))
    .addHelpText(
      'after',
      `
Examples:
  $ npx regent whoami

${whichControlPlane}`,
    )
    .action(whoami)
}

async function whoami(options: Options): Promise<void> {
  const [{ ControlPlaneConnection }, { principal }] = await Promise.all([
    import('./control-plane-connection.ts'),
    import('@regent/contract/api.ts'),
  ])
  const found = await new ControlPlaneConnection(options).call({ path: '/whoami', answer: principal })
  if (options.json) printJson(found)
  else console.log(visible(`${found.name}: ${found.role}, by ${found.by}`))
}
