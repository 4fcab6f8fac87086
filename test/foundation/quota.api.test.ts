import { afterAll, beforeAll, expect, test } from '@jest/globals'
import { kubectlJson, mustKubectl } from '../cluster/kubectl.ts'
import { waitFor } from '../cluster/wait-for.ts'
import { applyEnvironment, beginRemoval, removeEnvironments } from '../delivery/environment.ts'

const namespace = 'regent-system'

beforeAll(async () => {
  await removeEnvironments()
  await applyEnvironment('production-us-east-1')
})
afterAll(beginRemoval)

interface Deployment {
  readonly spec: { readonly replicas: number }
  readonly status: { readonly replicas?: number; readonly updatedReplicas?: number }
}

test('the quota admits the environment at the maximum of its autoscaler, with the surge of its rollouts', async () => {
  const deployment = () => kubectlJson<Deployment>(['get', 'deployment/regent-control-plane', '-n', namespace])
  await mustKubectl(['scale', 'deployment/regent-control-plane', '-n', namespace, '--replicas=100'])
  await waitFor('100 pods', async () => (await deployment()).status.replicas === 100)

  // A rollout begins with its surge, and here, without nodes, gets no further.
  for (const name of ['regent-control-plane', 'regent-agent-production-us-east-1']) {
    await mustKubectl(['rollout', 'restart', `deployment/${name}`, '-n', namespace])
  }
  await waitFor('the surge', async () => (await deployment()).status.replicas === 101)
  const agents = await waitFor('the surge of the agents', async () => {
    const found = await kubectlJson<Deployment>([
      'get',
      'deployment/regent-agent-production-us-east-1',
      '-n',
      namespace,
    ])
    return found.status.updatedReplicas === 1 && found
  })
  expect(agents.status.replicas).toBe(4)
  const quota = await kubectlJson<{ status: { hard: Record<string, string>; used: Record<string, string> } }>([
    'get',
    'resourcequota/regent-quota',
    '-n',
    namespace,
  ])
  expect(quota.status.used['pods']).toBe(String(101 + 4 + 7 + 1))
})
