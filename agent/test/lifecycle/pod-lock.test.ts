import { spawn } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { join } from 'node:path'
import { expect, test } from '@jest/globals'
import { lockPod, podLockAddress, PodLocked } from '../../src/lifecycle/pod-lock.ts'

const source = join(import.meta.dirname, '../../src/lifecycle/pod-lock.ts')

/** Another process that takes the lock, says so, and stays. */
async function otherProcess(address: string): Promise<ReturnType<typeof spawn>> {
  const program = `
    const { lockPod } = await import(${JSON.stringify(source)})
    await lockPod(${JSON.stringify(address)})
    console.log('locked')
    setInterval(() => {}, 1000)`
  const child = spawn(process.execPath, ['--input-type=module', '--eval', program], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  await once(child.stdout, 'data')
  return child
}

test('a second live process of the pod is refused, in words that say what to do', async () => {
  const address = podLockAddress(randomUUID())
  const release = await lockPod(address)
  const refused = await lockPod(address).catch((error: unknown) => error)
  expect(refused).toBeInstanceOf(PodLocked)
  expect(String(refused)).toContain('another process of this pod runs the agent already; let one container')
  await release()
  await (
    await lockPod(address)
  )()
})

test('pods do not lock each other out', async () => {
  const releases = [await lockPod(podLockAddress(randomUUID())), await lockPod(podLockAddress(randomUUID()))]
  for (const release of releases) await release()
})

test('the kernel gives the lock of a killed process back', async () => {
  const address = podLockAddress(randomUUID())
  const child = await otherProcess(address)
  try {
    await expect(lockPod(address)).rejects.toThrow(PodLocked)
  } finally {
    child.kill('SIGKILL')
  }
  await once(child, 'exit')
  await (
    await lockPod(address)
  )()
})

test('what else goes wrong is no lock of somebody else', async () => {
  const tooLong = podLockAddress('x'.repeat(200))
  const failed = await lockPod(tooLong).catch((error: unknown) => error)
  expect(failed).not.toBeInstanceOf(PodLocked)
  expect(String(failed)).toContain('cannot be taken')
})
