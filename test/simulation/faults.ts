import { leaseAnnotations } from '@regent/contract/names.ts'
import type { SimulatedProcess } from './world/simulated-process.ts'
import type { Fate, Way } from './world/way.ts'
import type { World } from './world/world.ts'

/** What one fault is done with: numbers of its own, so that leaving another fault out changes nothing of it. */
export interface Choice {
  readonly random: () => number
  /** How long it lasts, in milliseconds. */
  readonly forMs: number
}

/** Something bad that happens, and ends by itself after its time. */
export interface Fault {
  readonly name: string
  /** Twice as long as others: so that it outlasts what etcd keeps of a pod. @default false */
  readonly lastsLonger?: boolean
  /** @returns to whom */
  run(world: World, choice: Choice): string
}

const fates: readonly Fate[] = ['slow', 'refused', 'lost', 'unanswered', 'reset', 'frozen']

function among<One>(choices: readonly One[], random: () => number): One {
  const chosen = choices[Math.floor(random() * choices.length)]
  if (chosen === undefined) throw new Error('there is nothing to choose from')
  return chosen
}

/** The leader more often than not: it has something to lose. */
function replicaOf(world: World, { random }: Choice) {
  const wantsLeader = random() < 0.7
  const any = among(world.replicas, random)
  return (wantsLeader ? world.replicas.find(({ isLeading }) => isLeading) : undefined) ?? any
}

function podOf(world: World, { random }: Choice) {
  return among(world.pods, random)
}

function breaks(ways: readonly Way[], world: World, { random, forMs }: Choice): string {
  const fate = among(fates, random)
  for (const way of ways) way.set(fate)
  world.events.after(forMs, () => {
    for (const way of ways) way.set('well')
  })
  return fate
}

function pauses(process: SimulatedProcess | undefined, world: World, { forMs }: Choice): void {
  process?.pause()
  world.events.after(forMs, () => process?.resume())
}

export const faults: readonly Fault[] = [
  {
    name: 'replica is killed',
    run(world, choice) {
      const { name, process } = replicaOf(world, choice)
      process?.kill()
      return name
    },
  },
  {
    name: 'replica is killed while it connects anew',
    run(world, choice) {
      const { name, process, toControlPlane } = replicaOf(world, choice)
      // What it has sent by then arrives when another one leads.
      toControlPlane.set('reset')
      toControlPlane.set('slow')
      world.events.after(choice.random() * 1500, () => process?.kill())
      world.events.after(choice.forMs, () => toControlPlane.set('well'))
      return name
    },
  },
  {
    name: 'replica stops',
    run(world, choice) {
      const replica = replicaOf(world, choice)
      replica.stop()
      return replica.name
    },
  },
  {
    name: 'replica is paused',
    run(world, choice) {
      const { name, process } = replicaOf(world, choice)
      pauses(process, world, choice)
      return name
    },
  },
  {
    name: 'main thread of a replica hangs',
    run(world, choice) {
      const { name, process } = replicaOf(world, choice)
      process?.main.hang()
      world.events.after(choice.forMs, () => process?.main.goOn())
      return name
    },
  },
  {
    name: 'wall clock of a replica is set',
    run(world, choice) {
      const { name, process } = replicaOf(world, choice)
      if (process !== undefined) process.wallSkewMs += (choice.random() - 0.5) * 20_000
      return name
    },
  },
  {
    name: 'replica and API server apart',
    run(world, choice) {
      const { name, toApiServer } = replicaOf(world, choice)
      return `${name} ${breaks([toApiServer], world, choice)}`
    },
  },
  {
    name: 'replica and control plane apart',
    run(world, choice) {
      const { name, toControlPlane } = replicaOf(world, choice)
      return `${name} ${breaks([toControlPlane], world, choice)}`
    },
  },
  {
    name: 'replica cut off from everything',
    run(world, choice) {
      const { name, toControlPlane, toApiServer } = replicaOf(world, choice)
      return `${name} ${breaks([toControlPlane, toApiServer], world, choice)}`
    },
  },
  {
    name: 'API server is away',
    run(world, choice) {
      return breaks(
        world.replicas.map(({ toApiServer }) => toApiServer),
        world,
        choice,
      )
    },
  },
  {
    name: 'Lease is deleted',
    run(world) {
      world.api.lease.remove()
      return ''
    },
  },
  {
    name: 'leader is told to step down',
    run(world) {
      const { lease } = world.api
      lease.edit({ annotations: { [leaseAnnotations.stepDown]: lease.holder } })
      return lease.holder
    },
  },
  {
    name: 'pod is killed',
    run(world, choice) {
      const { name, process } = podOf(world, choice)
      process?.kill()
      return name
    },
  },
  {
    name: 'pod stops',
    run(world, choice) {
      const pod = podOf(world, choice)
      pod.stop()
      return pod.name
    },
  },
  {
    name: 'pod is paused',
    lastsLonger: true,
    run(world, choice) {
      const { name, process } = podOf(world, choice)
      pauses(process, world, choice)
      return name
    },
  },
  {
    name: 'pod and agents apart',
    run(world, choice) {
      const { name, way } = podOf(world, choice)
      return `${name} ${breaks([way], world, choice)}`
    },
  },
  {
    name: 'pod and etcd apart',
    lastsLonger: true,
    run(world, choice) {
      const { name, toEtcd } = podOf(world, choice)
      return `${name} ${breaks([toEtcd], world, choice)}`
    },
  },
  {
    name: 'etcd is away',
    run(world, choice) {
      return breaks(
        world.pods.map(({ toEtcd }) => toEtcd),
        world,
        choice,
      )
    },
  },
  {
    name: 'etcd becomes full',
    run({ etcd, events }, { random, forMs }) {
      etcd.room = 'passed'
      events.after(random() * Math.min(forMs, 500), () => (etcd.room = 'none'))
      events.after(forMs, () => (etcd.room = 'left'))
      return ''
    },
  },
  {
    name: 'etcd is compacted',
    run(world) {
      world.etcd.keys.compact(world.etcd.keys.revision)
      return ''
    },
  },
]
