import { leaseAnnotations } from '@regent/contract/names.ts'
import type { Link, Replica } from './replica.ts'
import type { World } from './world.ts'

/** Something bad that happens for a while. Returns for how long, in milliseconds, and whether it may end a reign. */
export interface Fault {
  readonly name: string
  run(world: World, victim: Replica): number
}

const links: readonly Link[] = ['refused', 'forbidden', 'lost', 'unanswered', 'frozen', 'slow']

const bad = (link: Link): Fault => ({
  name: `requests ${link}`,
  run(world, victim) {
    const ms = 200 + world.random() * 12_000
    victim.link = link
    world.events.after(ms, () => (victim.link = 'well'))
    return ms
  },
})

/** All faults of processes, connections, clocks and people. */
export const faults: readonly Fault[] = [
  ...links.map(bad),
  {
    name: 'the API server is away',
    run(world) {
      const ms = 200 + world.random() * 15_000
      for (const replica of world.replicas) replica.link = 'refused'
      world.events.after(ms, () => world.replicas.forEach((replica) => (replica.link = 'well')))
      return ms
    },
  },
  {
    name: 'half-open watch',
    run(_, victim) {
      victim.watchIsDeaf = true
      return 0
    },
  },
  {
    name: 'SIGKILL',
    run(_, victim) {
      victim.kill()
      return 0
    },
  },
  {
    name: 'SIGTERM',
    run(_, victim) {
      victim.give({ type: 'stop' })
      return 0
    },
  },
  {
    name: 'SIGSTOP and SIGCONT',
    run(world, victim) {
      const ms = 100 + world.random() * 15_000
      victim.pause(ms, false)
      return ms
    },
  },
  {
    name: 'hung main thread',
    run(world, victim) {
      const ms = 100 + world.random() * 10_000
      victim.hung = true
      world.events.after(ms, () => (victim.hung = false))
      return ms
    },
  },
  {
    name: 'clock step',
    run(world, victim) {
      // By hours, by more than a Lease, or by about an abort budget.
      const mostMs = [7_200_000, 20_000, 3000][Math.floor(world.random() * 3)] ?? 0
      victim.stepMs += (world.random() - 0.5) * mostMs
      return 0
    },
  },
  {
    name: 'Lease deleted',
    run(world) {
      // Again so soon, and who was cut off in between cannot know of a leader in between: that is not guaranteed.
      if (world.events.nowMs - world.api.removedAtMs > 2 * world.timing.leaseDurationSeconds * 1000) world.api.remove()
      return 0
    },
  },
  {
    name: 'holder edited',
    run(world) {
      const holder = ['', 'somebody', 'a_b', 'x_y_z_w'][Math.floor(world.random() * 4)]
      world.api.edit({ spec: { holderIdentity: holder } })
      return 0
    },
  },
  {
    name: 'garbage in the Lease',
    run(world) {
      world.api.edit({
        spec: { leaseDurationSeconds: [1e9, 1, undefined][Math.floor(world.random() * 3)] },
        annotations: { [leaseAnnotations.takeovers]: '{{{', 'somebody.example/else': String(world.random()) },
      })
      return 0
    },
  },
  {
    name: 'step-down',
    run(world) {
      world.api.edit({ annotations: { [leaseAnnotations.stepDown]: world.api.holder } })
      return 0
    },
  },
  {
    name: 'yield',
    run(_, victim) {
      victim.give({ type: 'yield' })
      return 0
    },
  },
  {
    name: 'work fails',
    run(_, victim) {
      victim.failWork()
      return 0
    },
  },
  {
    name: 'cordon',
    run(world, victim) {
      const ms = 200 + world.random() * 10_000
      world.api.edit({ annotations: { [leaseAnnotations.cordoned]: victim.options.identity.pod } })
      world.events.after(ms, () => world.api.edit({ annotations: { [leaseAnnotations.cordoned]: '' } }))
      return ms
    },
  },
  {
    name: 'the control plane knows another leader',
    run(_, victim) {
      victim.give({ type: 'verify' })
      return 0
    },
  },
]

/** Those of processes that end and of connections: neither hangs, pauses and clock steps, nor another holder by hand. */
export const plainFaults: readonly Fault[] = faults.filter(({ name }) =>
  [
    ...links.map((link) => `requests ${link}`),
    'the API server is away',
    'half-open watch',
    'SIGKILL',
    'SIGTERM',
    'Lease deleted',
    'garbage in the Lease',
    'step-down',
    'yield',
    'work fails',
    'cordon',
    'the control plane knows another leader',
  ].includes(name),
)

/** A pause in which no clock of the victim advances, its wall clock included: no local guard can see it. */
export const stoppedClocks: Fault = {
  name: 'paused virtual machine',
  run(world, victim) {
    const ms = 100 + world.random() * 15_000
    victim.pause(ms, true)
    world.events.after(ms, () => (victim.stepMs -= ms))
    return ms
  },
}

/** A claim of death that is a lie: standbys are made to believe it, one of them or all at once. */
export const forgedEvidence: Fault = {
  name: 'forged evidence of death',
  run(world) {
    const holder = world.api.holder
    for (const standby of world.replicas) {
      if (standby.name === holder || world.random() < 0.3) continue
      const by = world.random() < 0.5 ? 'peer' : 'pod'
      world.events.after(world.random() * 20, () => standby.give({ type: 'death', holder, by, sign: standby.now }))
    }
    return 0
  },
}
