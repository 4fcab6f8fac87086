import { electionProfiles, failoverBounds, stallSeconds } from '@regent/contract/election.ts'
import { leaseAnnotations } from '@regent/contract/names.ts'
import { faults, forgedEvidence, plainFaults, stoppedClocks } from './faults.ts'
import type { Replica } from './replica.ts'
import { randomRun, type Run } from './runs.ts'
import { World, type WorldOptions } from './world.ts'

/** A leader, one thing that happens, and what became of it. */
function scene(options: WorldOptions, play: (world: World, leader: Replica) => void): Run {
  const world = new World(options)
  world.run(5000 + world.random() * 2000)
  const [leader] = world.leaders
  if (!leader) return { violations: ['nobody leads'], story: [], world }
  play(world, leader)
  return { violations: world.violations, story: [], world }
}

function boundMs(fault: string): number {
  const bound = failoverBounds(electionProfiles.fast, 3, { peers: false, pods: false }, undefined).find((row) =>
    row.fault.startsWith(fault),
  )
  if (bound?.seconds === undefined) throw new Error(`no bound for '${fault}'`)
  return bound.seconds * 1000
}

/** Waits until another than the one before leads, and says for how long nobody did. */
function takeoverMs(world: World, former: Replica, fromMs: number): number {
  for (let count = 0; count < 40_000; count += 1) {
    const [leader] = world.leaders
    if (leader && leader !== former) return world.events.nowMs - fromMs
    world.run(5)
  }
  return Infinity
}

/** A leader that ends in one way, and how long it takes until another leads. */
function bounded(seed: number, kind: string, fault: string): Run {
  // Clocks that are half a percent apart, and the steps of the model's own measurement.
  const slackMs = 0.01 * boundMs(fault) + 60
  return scene({ seed }, (world, leader) => {
    world.restarts = false
    if (kind === 'SIGKILL') leader.kill()
    else if (kind === 'hung for good') leader.hung = true
    else if (kind === 'cut off') leader.link = 'lost'
    else leader.give({ type: 'stop' })
    let fromMs = world.events.nowMs
    if (kind === 'released') {
      while (leader.working !== undefined && world.events.nowMs < fromMs + 10_000) world.run(1)
      // A leader that drains for longer than it may is killed, like any other.
      if (!leader.alive) return
      fromMs = world.events.nowMs
    }
    const tookMs = takeoverMs(world, leader, fromMs)
    if (tookMs > boundMs(fault) + slackMs) world.violations.push(`took ${tookMs} ms`)
  })
}

/** Ways in which a leader is asked to hand over while it has a standby that says it is ready. */
const requests: readonly ((world: World, leader: Replica) => void)[] = [
  (world) => world.api.edit({ annotations: { [leaseAnnotations.stepDown]: world.api.holder } }),
  (_, leader) => leader.give({ type: 'yield' }),
  (world, leader) => {
    world.api.edit({ annotations: { [leaseAnnotations.cordoned]: leader.options.identity.pod } })
    world.events.after(3000, () => world.api.edit({ annotations: { [leaseAnnotations.cordoned]: '' } }))
  },
]

/** Asks a leader to hand over, if it is told of a standby that is ready, while a standby hangs or none does. */
function askToHandOver(world: World): void {
  const [leader] = world.leaders
  const request = requests[Math.floor(world.random() * requests.length)]
  // Who begins to hang while it is handed to takes the Lease: nobody could have known.
  if (!leader || !request || leader.state.leaving) return
  const victim = world.random() < 0.4 ? world.replicas.find((replica) => replica !== leader) : undefined
  if (victim) {
    victim.hung = true
    // A stall that nobody has noticed yet is told by nobody.
    world.run(stallSeconds * 1000 + 600)
    world.events.after(3000 + world.random() * 3000, () => (victim.hung = false))
  }
  if (leader.state.standbys.some(({ ready }) => ready)) request(world, leader)
}

/** What the model plays, each with how often it is played beside the others: its share of the runs. */
export interface Scene {
  readonly share: number
  readonly play: (seed: number) => Run
}

export const scenes: Readonly<Record<string, Scene>> = {
  'holds its invariants under random faults': {
    share: 1,
    play: (seed) => randomRun({ seed }),
  },
  'never lets the work of two run at once where processes end and connections break': {
    share: 1,
    play: (seed) => randomRun({ seed, workMustNotOverlap: true, peerEvidence: seed % 3 === 0 }, plainFaults),
  },
  'holds them with evidence of death by the peers': {
    share: 0.5,
    play: (seed) => randomRun({ seed, peerEvidence: true, lateEvidence: seed % 2 === 0 }),
  },
  'holds them with two and with five replicas, and with other timings': {
    share: 0.3,
    play: (seed) => {
      const timing = seed % 2 === 0 ? electionProfiles.standard : electionProfiles.fast
      return randomRun({ seed, timing, replicas: seed % 3 === 0 ? 2 : 5 })
    },
  },
  'has one leader again, and growing epochs, after pauses in which no clock advances': {
    share: 0.3,
    play: (seed) => randomRun({ seed, overlapsAllowed: true }, [...faults, stoppedClocks]),
  },
  'has one leader again, and growing epochs, where evidence of death is forged beside every other fault': {
    share: 0.5,
    play: (seed) => {
      const often = [...faults, ...Array.from({ length: 6 }, () => forgedEvidence)]
      const run = randomRun({ seed, overlapsAllowed: true, peerEvidence: seed % 2 === 0 }, often)
      // Whoever is fooled about reaches the API server; the one it replaces may not, and stops by its own deadline.
      const mostMs = electionProfiles.fast.renewDeadlineSeconds * 1000
      const { longestOverlapMs, violations } = run.world
      if (longestOverlapMs > mostMs * 1.01) violations.push(`two could act for ${longestOverlapMs} ms`)
      return run
    },
  },
  'keeps leader and epoch over an outage of the API server, however long': {
    share: 0.3,
    play: (seed) =>
      scene({ seed }, (world, leader) => {
        for (const replica of world.replicas) replica.link = seed % 2 === 0 ? 'refused' : 'lost'
        world.run(seed % 3 === 0 ? world.random() * 3000 : world.random() * 120_000)
        for (const replica of world.replicas) replica.link = 'well'
        const healedMs = world.events.nowMs
        while (world.leaders.length === 0 && world.events.nowMs < healedMs + 20_000) world.run(10)
        if (world.events.nowMs - healedMs > 2500) {
          world.violations.push(`resumed ${world.events.nowMs - healedMs} ms after the outage`)
        }
        world.run(20_000)
        if (world.reigns.length !== 1 || !leader.alive) world.violations.push(`${world.reigns.length} reigns`)
      }),
  },
  'has another leader within the bound that is printed: SIGKILL': {
    share: 0.2,
    play: (seed) => bounded(seed, 'SIGKILL', 'killed'),
  },
  'has another leader within the bound that is printed: hung for good': {
    share: 0.2,
    play: (seed) => bounded(seed, 'hung for good', 'hung'),
  },
  'has another leader within the bound that is printed: cut off': {
    share: 0.2,
    play: (seed) => bounded(seed, 'cut off', 'node lost'),
  },
  'has another leader within the bound that is printed: released': {
    share: 0.2,
    play: (seed) => bounded(seed, 'released', 'planned'),
  },
  'hands over, where it is asked to, only to a standby that takes the Lease at once': {
    share: 0.5,
    play: (seed) =>
      scene({ seed, replicas: seed % 3 === 0 ? 3 : 2 }, (world) => {
        world.longestVacancyMs = 0
        for (let count = 0; count < 8; count += 1) {
          askToHandOver(world)
          world.run(world.random() * 8000)
        }
        // Work that did not drain in time may still take its abort budget, and the newest revision goes first.
        const mostMs = electionProfiles.fast.abortBudgetSeconds * 1000 + 500
        if (world.longestVacancyMs > mostMs) world.violations.push(`nobody led for ${world.longestVacancyMs} ms`)
      }),
  },
  'has another leader soon where the watches were half-open when it was killed': {
    share: 0.2,
    play: (seed) =>
      scene({ seed }, (world, leader) => {
        world.restarts = false
        for (const replica of world.replicas) replica.watchIsDeaf = true
        world.run(world.random() * 12_000)
        leader.kill()
        const tookMs = takeoverMs(world, leader, world.events.nowMs)
        // The last renewal was seen by a read, which comes one renew period late at most.
        const mostMs = boundMs('killed') + electionProfiles.fast.retryPeriodSeconds * 1000
        if (tookMs > mostMs * 1.01 + 60) world.violations.push(`took ${tookMs} ms`)
      }),
  },
  'has another leader where the answers of those who take the Lease are lost': {
    share: 0.2,
    play: (seed) =>
      scene({ seed }, (world, leader) => {
        world.restarts = false
        leader.kill()
        const fromMs = world.events.nowMs
        world.run(5000)
        for (const replica of world.replicas) replica.link = 'unanswered'
        world.run(1500 + world.random() * 4000)
        for (const replica of world.replicas) replica.link = 'well'
        const tookMs = takeoverMs(world, leader, fromMs)
        // Whoever heard no answers lets the incumbent come back first: two renew periods.
        if (tookMs > 5000 + 5500 + 3000 + 2000) world.violations.push(`took ${tookMs} ms`)
      }),
  },
  'costs the API server at most 0.7 requests a second in peace, also after watches were half-open': {
    share: 0.02,
    play: (seed) =>
      scene({ seed }, (world) => {
        for (const replica of world.replicas) replica.watchIsDeaf = true
        world.run(30_000)
        const before = world.api.requests
        const seconds = 600
        world.run(seconds * 1000)
        const rate = (world.api.requests - before) / seconds
        if (rate > 0.7) world.violations.push(`${rate} requests a second`)
      }),
  },
  'follows true evidence of death at once': {
    share: 0.2,
    play: (seed) =>
      scene({ seed, peerEvidence: true }, (world, leader) => {
        world.restarts = false
        leader.kill()
        const tookMs = takeoverMs(world, leader, world.events.nowMs)
        if (tookMs > 150) world.violations.push(`took ${tookMs} ms`)
      }),
  },
  'is single again within a renew period where evidence of death was forged': {
    share: 0.2,
    play: (seed) =>
      scene({ seed }, (world, leader) => {
        world.mustNotOverlap = false
        for (const standby of world.replicas.filter((replica) => replica !== leader)) {
          standby.give({ type: 'death', holder: leader.name, by: 'peer', sign: standby.now })
        }
        world.run(electionProfiles.fast.retryPeriodSeconds * 1000 + 100)
        world.mustNotOverlap = true
        if (world.leaders.length !== 1) world.violations.push(`${world.leaders.length} leaders`)
        world.run(20_000)
        if (world.leaders.length !== 1) world.violations.push(`${world.leaders.length} leaders in the end`)
      }),
  },
  'gives a deleted Lease back to its holder with a greater epoch': {
    share: 0.2,
    play: (seed) =>
      scene({ seed }, (world, leader) => {
        world.api.remove()
        const fromMs = world.events.nowMs
        while (world.reigns.length < 2 && world.events.nowMs < fromMs + 20_000) world.run(5)
        // Its work has one abort budget to end; then the new epoch begins.
        if (world.events.nowMs - fromMs > electionProfiles.fast.abortBudgetSeconds * 1000 + 100) {
          world.violations.push(`took ${world.events.nowMs - fromMs} ms`)
        }
        if (world.reigns.at(-1)?.by !== leader) world.violations.push('another one leads')
      }),
  },
}
