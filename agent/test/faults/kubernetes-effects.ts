import { spawn, type ChildProcess } from 'node:child_process'
import { createInterface } from 'node:readline'
import { auditEvents } from '../../../test/cluster/audit-log.ts'
import { cluster } from '../../../test/cluster/state.ts'
import type { Field } from './field.ts'
import { committedAgent } from './manifests.ts'
import { effectsName } from './names.ts'
import { Ledger } from './witness.ts'

/** What Kubernetes admitted: every state of the object that the effects change, in the order of the API server. */
export class KubernetesEffects extends Ledger {
  readonly #field: Field
  readonly #watch: ChildProcess
  readonly #ended: Promise<void>

  private constructor(field: Field, watch: ChildProcess) {
    super()
    this.#field = field
    this.#watch = watch
    const endWithUs = (): unknown => watch.kill('SIGKILL')
    process.once('exit', endWithUs)
    // It ends by itself when its API server does.
    this.#ended = new Promise((resolve) => {
      watch.once('close', () => {
        process.off('exit', endWithUs)
        resolve()
      })
    })
    if (watch.stdout === null) throw new Error('kubectl without an output')
    createInterface({ input: watch.stdout }).on('line', (epoch) => {
      if (epoch !== '0') this.report({ epoch: BigInt(epoch), holder: '', atMs: performance.now() })
    })
  }

  /** Watches the object that {@link Field} created. */
  static watch(field: Field): KubernetesEffects {
    const namespace = field.sessionNamespace
    const { kubectl, kubeconfig } = cluster()
    const args = ['get', 'configmap', effectsName, '-n', namespace, '--watch', '--output=jsonpath={.data.epoch}{"\\n"}']
    const watch = spawn(kubectl, [`--kubeconfig=${kubeconfig}`, ...args], {
      stdio: ['ignore', 'pipe', 'ignore'],
      env: { ...process.env, KUBERC: 'off' },
    })
    return new KubernetesEffects(field, watch)
  }

  /** Writes that the API server refused to pods of the agent, by the name of the pod. */
  async refusedTo(): Promise<readonly string[]> {
    const events = await auditEvents(this.#field.namespace, committedAgent)
    return events
      .filter(({ objectRef, responseStatus }) => {
        const isFenced = responseStatus?.code === 403 || responseStatus?.code === 422
        return objectRef?.resource === 'configmaps' && isFenced
      })
      .map(({ user }) => user.extra?.['authentication.kubernetes.io/pod-name']?.[0] ?? '')
  }

  async close(): Promise<void> {
    this.#watch.kill('SIGKILL')
    await this.#ended
  }
}
