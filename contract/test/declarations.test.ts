import { describe, expect, test } from '@jest/globals'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { agent, longestAgentId } from '../agent.ts'
import { controlPlane, controlPlaneToken, fewestMissedHeartbeats } from '../control-plane.ts'
import { accessNamespaces, filled, metricPrefix, objectNames } from '../names.ts'
import { defaultOf, parseSettings } from '../program.ts'
import { parseVariable, type Variable, variableText } from '../variable.ts'
import { programs } from './programs.ts'

const contractFolder = join(import.meta.dirname, '..')

/** Some text that a variable accepts. */
function sampleText(variable: Variable): string {
  const texts = ['a', '1', 'true', 'http://a', 'https://a', '/a', '127.0.0.1', '["a"]']
  const choices = 'choices' in variable ? variable.choices : []
  const accepted = [...choices, ...texts].find((text) => 'value' in parseVariable(variable, text))
  if (accepted === undefined) throw new Error(`no text for ${variable.variable}`)
  return accepted
}

/** Metrics that carry the names of client-go, for dashboards that exist. */
const clientGoMetrics = ['leader_election_master_status', 'leader_election_slowpath_total']

test('these tests know every program that is declared', () => {
  const declared = readdirSync(contractFolder)
    .filter((file) => file.endsWith('.ts'))
    .flatMap((file) => [...readFileSync(join(contractFolder, file), 'utf8').matchAll(/= program\('([^']+)'/g)])
    .map(([, name]) => name)
  expect(programs.map(({ name }) => name).toSorted()).toEqual(declared.toSorted())
})

describe.each(programs.map((program) => [program.name, program] as const))('%s', (_, program) => {
  const variables = Object.entries(program.env)
  const metrics = Object.values(program.metrics)

  test('no two variables have the same name, and every name is one of a variable', () => {
    const names = variables.map(([, { variable }]) => variable)
    expect(new Set(names).size).toBe(names.length)
    for (const name of names) expect(name).toMatch(/^[A-Z][A-Z0-9]*(_[A-Z0-9]+)*$/)
  })

  test('every variable says what it is for', () => {
    for (const [, { description }] of variables) expect(description).toMatch(/^.{10,}[^.\s]$/)
  })

  test('with every part off it starts, and knows nothing of them', () => {
    const least = variables.filter(([, variable]) => variable.when === undefined && defaultOf(variable) === undefined)
    const parsed = parseSettings(
      program,
      Object.fromEntries(least.map(([, variable]) => [variable.variable, sampleText(variable)])),
    )
    const optional = variables.filter(([, variable]) => variable.when !== undefined).map(([key]) => key)
    for (const key of optional) expect(parsed).toHaveProperty(['settings', key])
    expect(parsed).not.toHaveProperty('problems')
  })

  test('its own parser accepts every default', () => {
    for (const [key, variable] of variables) {
      const value = defaultOf(variable)
      if (value !== undefined)
        expect([key, parseVariable(variable, variableText(variable, value))]).toEqual([key, { value }])
    }
  })

  test('the unit of a number is in the name of its variable', () => {
    for (const [key, variable] of variables) {
      if (variable.type === 'seconds') {
        expect(key).toMatch(/Seconds$/)
        expect(variable.variable).toMatch(/_SECONDS$/)
      }
    }
  })

  test('ranges are not empty', () => {
    for (const [, variable] of variables) {
      if ('min' in variable) expect(variable.min).toBeLessThan(variable.max)
    }
  })

  test('what holds a key or a token is a secret file', () => {
    for (const [key, variable] of variables) {
      if (/key|token|password|secret/i.test(key))
        expect([key, variable]).toMatchObject([key, { type: 'file', secret: true }])
    }
  })

  test('ports are unique, not privileged, and named as Kubernetes allows', () => {
    const numbers = Object.values(program.ports).map(({ number }) => number)
    expect(new Set(numbers).size).toBe(numbers.length)
    for (const number of numbers) {
      expect(Number.isInteger(number)).toBe(true)
      expect(number).toBeGreaterThanOrEqual(1024)
      expect(number).toBeLessThanOrEqual(65535)
    }
    for (const name of Object.keys(program.ports)) expect(name).toMatch(/^(?=.{1,15}$)[a-z]([-a-z0-9]*[a-z0-9])?$/)
  })

  test('probes ask an existing port in plain HTTP, and answer within their period', () => {
    for (const probe of Object.values(program.probes)) {
      expect(program.ports[probe.port]).toMatchObject({ speaks: 'http' })
      expect(probe.path).toMatch(/^\/[a-z]+$/)
      expect(probe.timeoutSeconds).toBeLessThanOrEqual(probe.periodSeconds)
      expect(probe.failureThreshold).toBeGreaterThanOrEqual(1)
    }
  })

  test('liveness does not ask what readiness asks: an unready pod must not be restarted for it', () => {
    expect(program.probes.liveness.path).not.toBe(program.probes.readiness.path)
    expect(program.probes.startup.path).toBe(program.probes.liveness.path)
  })

  test('every call leads to a port of a program', () => {
    for (const call of program.calls) {
      if (call.to !== 'program') continue
      const target = programs.find(({ name }) => name === call.program)
      expect(Object.keys(target?.ports ?? {})).toContain(call.port)
    }
    expect(new Set(program.calls.map((call) => JSON.stringify(call))).size).toBe(program.calls.length)
  })

  test('who calls by name may resolve names', () => {
    if (program.calls.length > 0) expect(program.calls).toContainEqual({ to: 'dns' })
  })

  test('who has permissions at the API server may call it', () => {
    if (program.access.length > 0) expect(program.calls).toContainEqual({ to: 'apiServer' })
  })

  test('access names every group, resource and verb, and repeats none', () => {
    const granted: string[] = []
    for (const { group, resource, verbs, in: role, name } of program.access) {
      expect(group).toMatch(/^([a-z0-9]+(\.[a-z0-9]+)*)?$/)
      expect(resource).toMatch(/^[a-z]+(\/[a-z]+)?$/)
      expect(resource).not.toBe('secrets')
      expect(Object.keys(accessNamespaces)).toContain(role)
      expect(verbs).not.toHaveLength(0)
      for (const verb of verbs) {
        expect(['get', 'list', 'watch', 'create', 'update', 'patch', 'delete']).toContain(verb)
        granted.push(`${role} ${group}/${resource} ${verb}`)
      }
      if (name === undefined) continue
      expect([...Object.values<string>(objectNames), 'kube-system']).toContain(name)
      // Kubernetes does not compare the name of what does not exist yet, and a list has none.
      expect(verbs).not.toContain('create')
      expect(verbs).not.toContain('list')
    }
    expect(new Set(granted).size).toBe(granted.length)
  })

  test('metrics are named as Prometheus asks', () => {
    const names = metrics.map(({ name }) => name)
    expect(new Set(names).size).toBe(names.length)
    for (const { name, type, labels, help } of metrics) {
      expect(name.startsWith(metricPrefix) || clientGoMetrics.includes(name)).toBe(true)
      expect(name).toMatch(/^[a-z][a-z0-9]*(_[a-z0-9]+)*$/)
      expect([name, name.endsWith('_total')]).toEqual([name, type === 'counter'])
      expect(name).not.toMatch(/_(count|sum|bucket|milliseconds|percent)$/)
      if (type === 'histogram') expect(name).toMatch(/_(seconds|bytes)$/)
      for (const label of labels) expect(label).toMatch(/^(?!le$|quantile$|__)[a-z][a-z0-9_]*$/)
      expect(new Set(labels).size).toBe(labels.length)
      expect(help).toMatch(/^.{10,}[^.\s]$/)
    }
  })

  test('what it writes to is an absolute folder of bounded size', () => {
    for (const { path, size } of program.writes) {
      expect(path).toMatch(/^(\/[-a-z0-9]+)+$/)
      expect(size).toMatch(/^[1-9][0-9]*(Ki|Mi|Gi)$/)
    }
  })
})

test('no two programs export the same metric', () => {
  const names = programs.flatMap(({ metrics }) => Object.values(metrics).map(({ name }) => name))
  expect(new Set(names).size).toBe(names.length)
})

test('an agent is stale after at least two and a half heartbeats', () => {
  const { heartbeatIntervalSeconds, staleAfterSeconds } = controlPlane.env
  expect(fewestMissedHeartbeats).toBe(2.5)
  expect(heartbeatIntervalSeconds.default).toBe(30)
  expect(staleAfterSeconds.default).toBeGreaterThanOrEqual(fewestMissedHeartbeats * heartbeatIntervalSeconds.default)
})

test('the agent touches no Lease without election', () => {
  const leases = agent.access.filter(({ resource }) => resource === 'leases')
  expect(leases).not.toHaveLength(0)
  for (const access of leases) expect(access).toMatchObject({ when: 'election', in: 'system' })
})

test('a lease lasts whole seconds, as the Lease stores them', () => {
  expect(parseVariable(agent.env.leaseDurationSeconds, '6')).toEqual({ value: 6 })
  expect(parseVariable(agent.env.leaseDurationSeconds, '6.5')).toMatchObject({ path: 'LEASE_DURATION_SECONDS' })
})

test('of the pods in its own namespace the agent reads only where they are evidence', () => {
  const pods = agent.access.filter((access) => access.resource === 'pods' && access.in === 'system')
  expect(pods).toEqual([expect.objectContaining({ verbs: ['list', 'watch'], when: 'podEvidence' })])
})

test("in Kubernetes' own namespace a program reads the UID of that namespace and nothing else", () => {
  expect(programs.flatMap(({ access }) => access.filter((one) => one.in === 'kubernetes'))).toEqual([
    { group: '', resource: 'namespaces', verbs: ['get'], in: 'kubernetes', name: 'kube-system', when: 'election' },
  ])
})

test('the peers of an agent are there only with election, on both sides', () => {
  expect(agent.ports.peer.when).toBe('election')
  expect(agent.calls).toContainEqual({ to: 'program', program: 'agent', port: 'peer', when: 'election' })
})

test('the token is where the agent looks for it, and dies within the hour', () => {
  expect(agent.env.controlPlaneTokenFile.default).toBe('/var/run/secrets/regent.dev/control-plane/token')
  expect(controlPlaneToken).toMatchObject({ audience: 'regent-control-plane', expirationSeconds: 3600 })
})

test('names that the published systems use stay', () => {
  const names = Object.values(agent.env).map(({ variable }) => variable)
  expect(names).toEqual(expect.arrayContaining(['AGENT_ID', 'CONTROL_PLANE_URL', 'POD_NAME', 'ENABLE_HA']))
})

test('the longest agent id stays whole in the names of its pods', () => {
  expect(filled(objectNames.agent, { agentId: 'a'.repeat(longestAgentId) }).length).toBeLessThan(58)
  expect(agent.env.agentId.max).toBe(longestAgentId)
})
