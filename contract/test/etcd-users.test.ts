import { describe, expect, test } from '@jest/globals'
import { etcdUserPrefix, etcdUsers } from '../etcd-users.ts'
import { etcdKeyPrefix, objectNames } from '../names.ts'
import { programs } from './programs.ts'

describe('the users of etcd', () => {
  test('are root and one for each other program that calls it', () => {
    const callers = programs
      .filter(({ calls }) =>
        calls.some((call) => call.to === 'program' && call.program === 'consensus' && call.port === 'client'),
      )
      .map(({ name }) => (name === 'consensus-access' ? 'root' : `${etcdUserPrefix}${name}`))
    expect(etcdUsers.map(({ name }) => name).toSorted()).toEqual(callers.toSorted())
  })

  test('have names of their own, by which those that were ours are known', () => {
    const names = etcdUsers.map(({ name }) => name)
    expect(new Set(names).size).toBe(names.length)
    for (const name of names) expect(name).toMatch(/^(root|regent-[-a-z0-9]+)$/)
  })

  test('may do everything only as root', () => {
    expect(etcdUsers.filter(({ may }) => may === 'everything').map(({ name }) => name)).toEqual(['root'])
  })

  test('have rights below prefixes of ours alone, and the control plane below exactly its own', () => {
    for (const { may } of etcdUsers) {
      if (may === 'everything') continue
      for (const { prefix } of may) expect(prefix).toMatch(/^\/regent\/(.+\/)*$/)
    }
    expect(etcdUsers.find(({ name }) => name === objectNames.controlPlane)?.may).toEqual([
      { prefix: etcdKeyPrefix, access: 'readwrite' },
    ])
  })
})
