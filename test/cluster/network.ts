import { mustRun } from './command-line.ts'
import { runIn, type Space } from './space.ts'

/**
 * One bridge in the control plane's space, a cable from it to each node. The default route leads to an address that
 * nobody has: programs find a default interface, packets find no way out. This machine's own network has no part in it.
 */
const BRIDGE = 'nodes'
const NOBODY = '10.240.0.1'
export const CONTROL_PLANE_ADDRESS = '10.240.0.2'
/** Addresses of nodes end with a byte from here on. */
const FIRST_NODE = 10
const MOST_NODES = 50

export interface NodeNetwork {
  readonly name: string
  readonly address: string
  readonly podRange: string
  /** The control plane's end of the cable. */
  readonly cable: string
}

/** The names and addresses of so many nodes. @throws if the ranges do not hold them */
export function planNodes(count: number): readonly NodeNetwork[] {
  if (!Number.isInteger(count) || count < 1 || count > MOST_NODES) {
    throw new Error(`nodes: expected 1 to ${MOST_NODES}, got ${count}`)
  }
  return Array.from({ length: count }, (_, index) => ({
    name: `node-${index + 1}`,
    address: `10.240.0.${FIRST_NODE + index}`,
    podRange: `10.244.${index + 1}.0/24`,
    cable: `cable-${index + 1}`,
  }))
}

/** Lays the bridge. */
export async function layBridge(controlPlane: Space): Promise<void> {
  await ip(controlPlane, [
    `link add ${BRIDGE} type bridge`,
    `addr add ${CONTROL_PLANE_ADDRESS}/24 dev ${BRIDGE}`,
    `link set ${BRIDGE} up`,
    `route add default via ${NOBODY}`,
  ])
}

/** Joins a node to the bridge and tells it, and the control plane, where the pods of the others are. */
export async function layCable(
  controlPlane: Space,
  node: Space,
  plan: NodeNetwork,
  all: readonly NodeNetwork[],
): Promise<void> {
  const { cable, address, podRange } = plan
  // Both ends are born in their namespaces: this machine never has either.
  const here = ['name', cable, 'netns', String(controlPlane.holder.pid)]
  const there = ['name', 'eth0', 'netns', String(node.holder.pid)]
  await mustRun(['ip', 'link', 'add', ...here, 'type', 'veth', 'peer', ...there])
  const others = all.filter((each) => each.name !== plan.name)
  await ip(controlPlane, [
    `link set ${cable} master ${BRIDGE}`,
    `link set ${cable} up`,
    `route add ${podRange} via ${address}`,
  ])
  await ip(node, [
    `addr add ${address}/24 dev eth0`,
    'link set eth0 up',
    `route add default via ${NOBODY}`,
    ...others.map((other) => `route add ${other.podRange} via ${other.address}`),
  ])
  await runIn(node, ['sh', '-c', 'echo 1 > /proc/sys/net/ipv4/ip_forward'])
}

function ip(space: Space, lines: readonly string[]): Promise<string> {
  return runIn(space, ['ip', '-batch', '-'], `${lines.join('\n')}\n`)
}
