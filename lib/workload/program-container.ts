import type { Port, Probe, Program, Settings } from '@regent/contract/program.ts'
import { defaultOf } from '@regent/contract/program.ts'
import { expectation, type Part, parseVariable, variableText } from '@regent/contract/variable.ts'
import { k8s } from 'cdk8s-plus-28'
import type { Resources } from '../config/fields.ts'
import { restrictedContainer } from './restricted.ts'

export interface ProgramContainerProps<P extends Program> {
  readonly program: P
  /** The program's configuration: what nobody else fills. */
  readonly settings: Settings<P>
  /** The optional parts that are on; variables of the others are not set. */
  readonly parts: ReadonlySet<Part>
  readonly image: string
  readonly resources: Resources
  /** Volumes besides the scratch folders that the program declares. */
  readonly volumeMounts?: readonly k8s.VolumeMount[]
  /** What is run instead of the image's own entry point. */
  readonly command?: readonly string[]
  readonly args?: readonly string[]
  readonly envFrom?: readonly k8s.EnvFromSource[]
}

/** The container of a program, everything in it taken from the program's declaration in the contract. */
export function programContainer<P extends Program>(props: ProgramContainerProps<P>): k8s.Container {
  const { program } = props
  return {
    name: program.name,
    image: props.image,
    imagePullPolicy: 'IfNotPresent',
    ...(props.command && { command: [...props.command] }),
    ...(props.args && { args: [...props.args] }),
    env: containerEnvironment(program, props.settings, props.parts),
    ...(props.envFrom && { envFrom: [...props.envFrom] }),
    ports: activePorts(program, props.parts).map(([name, port]) => ({
      name,
      containerPort: port.number,
      protocol: 'TCP',
    })),
    // Why a program refused to start is on its last lines: `kubectl describe pod` then shows them.
    terminationMessagePolicy: 'FallbackToLogsOnError',
    startupProbe: probe(program.probes.startup),
    livenessProbe: probe(program.probes.liveness),
    readinessProbe: probe(program.probes.readiness),
    resources: containerResources(props.resources),
    securityContext: restrictedContainer,
    volumeMounts: [
      ...program.writes.map(({ path }) => ({ name: scratchVolumeName(path), mountPath: path })),
      ...(props.volumeMounts ?? []),
    ],
  }
}

/** The ports that a program opens with the given parts on, by their names. */
export function activePorts(program: Program, parts: ReadonlySet<Part>): readonly (readonly [string, Port])[] {
  return Object.entries(program.ports).filter(([, { when }]) => when === undefined || parts.has(when))
}

/** The volumes behind the folders that a program declares to write to. */
export function scratchVolumes(program: Program): k8s.Volume[] {
  return program.writes.map(({ path, size }) => ({
    name: scratchVolumeName(path),
    emptyDir: { sizeLimit: k8s.Quantity.fromString(size) },
  }))
}

/**
 * The variables of a container, in the order in which the program declares them, each spelled out: who reviews a
 * manifest should not have to know a default.
 *
 * @throws on a setting of a part that is off, and on a value that the program itself would refuse
 */
export function containerEnvironment<P extends Program>(
  program: P,
  settings: Settings<P>,
  parts: ReadonlySet<Part>,
): k8s.EnvVar[] {
  const given = settings as Readonly<Record<string, string | number | boolean | readonly string[] | undefined>>
  return Object.entries(program.env).flatMap(([key, variable]): k8s.EnvVar[] => {
    const { variable: name, when } = variable
    // Kubernetes fills it in, also where a manifest says something else: that would only mislead.
    if (variable.type === 'injected') return []
    if (variable.type === 'downward') {
      return [{ name, valueFrom: { fieldRef: { fieldPath: variable.fieldPath } } }]
    }
    if (when !== undefined && !parts.has(when)) {
      if (given[key] === undefined) return []
      throw new Error(`${program.name}: '${key}' was given although '${when}' is off; leave it out`)
    }
    const value = given[key] ?? defaultOf(variable)
    const text = value === undefined ? undefined : variableText(variable, value)
    if (text === undefined || !('value' in parseVariable(variable, text))) {
      throw new Error(
        `${program.name}: expected '${key}' to be ${expectation(variable)}, got ${text ?? 'nothing'}; correct it`,
      )
    }
    // Kubernetes takes `$(NAME)` for a reference, and two dollars for one.
    return [{ name, value: text.replaceAll('$', '$$$$') }]
  })
}

function probe(declared: Probe): k8s.Probe {
  const { port, path, initialDelaySeconds, periodSeconds, timeoutSeconds, failureThreshold } = declared
  return {
    httpGet: { path, port: k8s.IntOrString.fromString(port), scheme: 'HTTP' },
    ...(initialDelaySeconds > 0 && { initialDelaySeconds }),
    periodSeconds,
    timeoutSeconds,
    failureThreshold,
  }
}

function containerResources(resources: Resources): k8s.ResourceRequirements {
  const amounts = ({ cpu, memory, ephemeralStorage }: Resources['requests']) => ({
    cpu: k8s.Quantity.fromString(cpu),
    memory: k8s.Quantity.fromString(memory),
    'ephemeral-storage': k8s.Quantity.fromString(ephemeralStorage),
  })
  return { requests: amounts(resources.requests), limits: amounts(resources.limits) }
}

function scratchVolumeName(path: string): string {
  return `scratch${path.replaceAll('/', '-')}`
}
