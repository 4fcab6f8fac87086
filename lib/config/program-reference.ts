import { agent } from '@regent/contract/agent.ts'
import { consensusAccess } from '@regent/contract/consensus-access.ts'
import { controlPlane } from '@regent/contract/control-plane.ts'
import { etcd } from '@regent/contract/etcd.ts'
import { accessNamespaces } from '@regent/contract/names.ts'
import { type Access, type Call, defaultOf, type Outsider, type Program } from '@regent/contract/program.ts'
import { expectation, type Variable, variableText } from '@regent/contract/variable.ts'
import { code, sentence, table } from './markdown.ts'

const introduction = `# Programs

<!-- Written by \`npm run docs\` from the contract. Change the contract, not this file. -->

What the manifests and the programs agree on: \`contract/\` declares it once, the manifests are derived from it, and the
programs parse their variables, open their ports and register their metrics by it.

A variable without a default must be set, and one of an optional part together with the others of its part. Secrets are files; no variable holds one. What names a _part_ is there only
together with that optional part of the program.`

/** The programs that the page is about, from the one that people meet first. */
const programs: readonly Program[] = [agent, controlPlane, etcd, consensusAccess]

/** The page about every program: variables, ports, probes, calls, permissions, metrics and what it writes. */
export function programReference(): string {
  return [introduction, ...programs.flatMap(blocks)].map((block) => `${block}\n`).join('\n')
}

function blocks(program: Program): readonly string[] {
  const sections: readonly (readonly [string, readonly string[], readonly (readonly string[])[]])[] = [
    [
      'environment variables',
      ['Variable', 'Type', 'Allowed', 'Default', 'Secret', 'Part', 'Meaning'],
      Object.values(program.env).map(variableRow),
    ],
    [
      'ports',
      ['Port', 'Number', 'Speaks', 'Part'],
      Object.entries(program.ports).map(([name, { number, speaks, when }]) => [
        code(name),
        String(number),
        speaks,
        when ?? '',
      ]),
    ],
    [
      'probes',
      ['Probe', 'Asks', 'Starts after', 'Every', 'Answer within', 'Fails after'],
      Object.entries(program.probes).map(([name, probe]) => [
        name,
        `${code(probe.path)} on ${code(probe.port)}`,
        `${probe.initialDelaySeconds} s`,
        `${probe.periodSeconds} s`,
        `${probe.timeoutSeconds} s`,
        `${probe.failureThreshold} in a row`,
      ]),
    ],
    ['calls', ['Whom', 'Port', 'Part'], program.calls.map(callRow)],
    [
      'permissions at the Kubernetes API',
      ['Resource', 'Verbs', 'Namespace', 'Name', 'Part'],
      program.access.map(accessRow),
    ],
    [
      'metrics',
      ['Metric', 'Type', 'Labels', 'Meaning'],
      Object.values(program.metrics).map(({ name, type, labels, help }) => [
        code(name),
        type,
        labels.map(code).join(', '),
        help,
      ]),
    ],
    ['writes to', ['Folder', 'At most'], program.writes.map(({ path, size }) => [code(path), size])],
  ]
  return [
    `## ${code(program.name)}`,
    ...sections
      .filter(([, , rows]) => rows.length > 0)
      .flatMap(([title, head, rows]) => [
        `### ${sentence(`${program.name}: ${title}`).slice(0, -1)}`,
        table(head, rows),
      ]),
  ]
}

function variableRow(variable: Variable): readonly string[] {
  const value = defaultOf(variable)
  const required = variable.when === undefined ? '_required_' : '_required with its part_'
  const filledIn =
    variable.type === 'downward' ? 'by the kubelet' : variable.type === 'injected' ? 'by Kubernetes' : required
  return [
    code(variable.variable),
    variable.type,
    expectation(variable),
    value === undefined ? filledIn : code(variableText(variable, value)),
    variable.type === 'file' && variable.secret ? 'yes' : '',
    variable.when ?? '',
    variable.description,
  ]
}

const outsiders: Readonly<Record<Outsider, string>> = { openIdProvider: 'OpenID provider' }

function callRow(call: Call): readonly string[] {
  if (call.to === 'program') return [code(call.program), code(call.port), call.when ?? '']
  if (call.to === 'outside') return [outsiders[call.whom], '', call.when ?? '']
  return [call.to === 'dns' ? 'DNS of the cluster' : 'Kubernetes API server', '', '']
}

function accessRow(access: Access): readonly string[] {
  return [
    code(access.group === '' ? access.resource : `${access.resource}.${access.group}`),
    access.verbs.join(', '),
    code(accessNamespaces[access.in]),
    access.name === undefined ? 'every' : code(access.name),
    access.when ?? '',
  ]
}
