import type { Call, Port, Program } from '@regent/contract/program.ts'
import type { Part } from '@regent/contract/variable.ts'
import type { WorkloadIdentity } from '../workload/identity.ts'
import { activePorts } from '../workload/program-container.ts'

/** A program of the environment, as a policy can select it. */
export interface Endpoint {
  readonly program: Program
  /** The optional parts of the program that are on: calls and ports of the others do not exist. */
  readonly parts: ReadonlySet<Part>
  /** What selects its pods. */
  readonly identity: WorkloadIdentity
  /** Part of the environment that the program is configured in. */
  readonly settingsPath: string
}

/** Address ranges outside of the cluster, with the ports that are called there. */
export interface Destination {
  readonly cidrs: readonly string[]
  readonly ports: readonly number[]
}

/** Callers from outside of the environment, of ports of one of its programs. */
export interface Caller {
  readonly to: string
  readonly ports: readonly string[]
  readonly namespaces: readonly string[]
  readonly cidrs: readonly string[]
}

/** One side of what a pod may do: with whom, on which ports. */
export type Peer =
  | { readonly kind: 'program'; readonly endpoint: Endpoint; readonly ports: readonly Port[] }
  | { readonly kind: 'namespace'; readonly namespace: string; readonly ports: readonly Port[] }
  | { readonly kind: 'cidr'; readonly cidr: string; readonly ports: readonly number[] }
  | { readonly kind: 'dns' }

/** Everything that one program may be called by and may call. */
export interface Flows {
  readonly endpoint: Endpoint
  readonly ingress: readonly Peer[]
  readonly egress: readonly Peer[]
}

export interface FlowsProps {
  readonly endpoints: readonly Endpoint[]
  readonly apiServer: Destination
  /** Where programs and outsiders are that are called and not part of the environment, by their name. */
  readonly elsewhere: Readonly<Record<string, Destination>>
  readonly callers: readonly Caller[]
}

/**
 * The flows of an environment, from the calls that each program declares. Both sides of a flow come from the one
 * declaration of its caller, so that they cannot disagree. A program that calls itself means the pods of the same
 * workload, not those of another one that runs the same program.
 *
 * @throws when a program calls one that is neither in the environment nor elsewhere, or a port that is not open
 */
export function flowsOf(props: FlowsProps): readonly Flows[] {
  const { endpoints } = props
  return endpoints.map((endpoint) => ({
    endpoint,
    egress: activeCalls(endpoint).flatMap((call): readonly Peer[] => {
      if (call.to === 'dns') return [{ kind: 'dns' }]
      if (call.to === 'apiServer') return addresses(props.apiServer)
      if (call.to === 'outside') return addresses(destinationOf(props, endpoint, call.whom))
      const callee = [endpoint, ...endpoints].find(({ program }) => program.name === call.program)
      if (callee !== undefined) return [{ kind: 'program', endpoint: callee, ports: [portOf(callee, call.port)] }]
      return addresses(destinationOf(props, endpoint, call.program))
    }),
    ingress: [
      ...endpoints.flatMap((caller) =>
        activeCalls(caller).flatMap((call): readonly Peer[] =>
          call.to === 'program' &&
          call.program === endpoint.program.name &&
          (caller === endpoint || caller.program !== endpoint.program)
            ? [{ kind: 'program', endpoint: caller, ports: [portOf(endpoint, call.port)] }]
            : [],
        ),
      ),
      ...props.callers
        .filter(({ to }) => to === endpoint.program.name)
        .flatMap(({ namespaces, cidrs, ports }): readonly Peer[] => {
          const opened = ports.map((port) => portOf(endpoint, port))
          return [
            ...namespaces.map((namespace): Peer => ({ kind: 'namespace', namespace, ports: opened })),
            ...cidrs.map((cidr): Peer => ({ kind: 'cidr', cidr, ports: opened.map(({ number }) => number) })),
          ]
        }),
    ],
  }))
}

function destinationOf({ elsewhere }: FlowsProps, { program }: Endpoint, name: string): Destination {
  const destination = elsewhere[name]
  if (destination !== undefined) return destination
  throw new Error(`${program.name} calls '${name}', which is nowhere; add it, or say where it is`)
}

function addresses({ cidrs, ports }: Destination): readonly Peer[] {
  return cidrs.map((cidr) => ({ kind: 'cidr', cidr, ports }))
}

function activeCalls({ program, parts }: Endpoint): readonly Call[] {
  return program.calls.filter((call) => !('when' in call) || parts.has(call.when))
}

function portOf({ program, parts }: Endpoint, name: string): Port {
  const open = activePorts(program, parts)
  const [, port] = open.find(([one]) => one === name) ?? []
  if (port === undefined)
    throw new Error(`${program.name} opens no port '${name}'; it opens ${open.map(([one]) => one).join(', ')}`)
  return port
}
