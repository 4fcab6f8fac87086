import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { mustHoldNoEnvironment } from './foreign.ts'
import { Unavailable } from './unavailable.ts'

describe("somebody else's cluster", () => {
  let folder = ''
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'regent-foreign-test-'))
  })
  afterAll(() => rmSync(folder, { recursive: true }))

  /** A kubectl that finds these namespaces, each with the time of its deletion. */
  function kubectlThatFinds(lines: string): string {
    const file = join(folder, 'kubectl')
    writeFileSync(file, `#!/bin/sh\nprintf '${lines}'\n`)
    chmodSync(file, 0o700)
    return file
  }

  test.each([
    ['without namespaces of Regent', ''],
    ['with those that are on their way out', 'regent-system=2026-05-04T03:02:01Z\\n'],
  ])('is used %s', async (_, lines) => {
    await expect(mustHoldNoEnvironment(kubectlThatFinds(lines), '/k')).resolves.toBeUndefined()
  })

  test('fails if it holds an environment, which the tests would remove', async () => {
    const refused = mustHoldNoEnvironment(kubectlThatFinds('regent-sessions=\\nregent-system=\\n'), '/k')
    await expect(refused).rejects.toThrow(Unavailable)
    await expect(refused).rejects.toThrow('(regent-sessions, regent-system), which the tests would remove')
  })
})
