import type { Command } from 'commander'
import { hasErrors } from '../lib/report.ts'
import { selectEnvironments, suggestion } from './environments.ts'
import { Refusal, UsageError } from './errors.ts'
import { printJson, printProblems, tableLines } from './print.ts'

interface Options {
  /** `true` without names. */
  readonly lock?: true | readonly string[]
  readonly json?: true
}

export function addImages(program: Command): void {
  program
    .command('images')
    .description('list the images of every environment, or lock those of others to their digests')
    .option('--lock [name...]', 'ask the registries for the digests and write images.lock.json (default: every image)')
    .option('--json', 'print a JSON array')
    .addHelpText(
      'after',
      `
Examples:
  $ npx regent images
  $ npx regent images --json | jq '.[] | select(.locked | not)'
  $ npx regent images --lock            every third-party image
  $ npx regent images --lock etcd`,
    )
    .action(async (options: Options) => {
      if (options.lock === undefined) await list(options)
      else await lock(options.lock === true ? [] : options.lock, options)
    })
}

async function list(options: Options) {
  const [{ layers }, { render }, { readImageLock }, { usedImages }] = await Promise.all([
    selectEnvironments(),
    import('../lib/render.ts'),
    import('../lib/images/lock.ts'),
    import('./used-images.ts'),
  ])
  const imageLock = readImageLock()
  const rendered = layers.map((layer) => render(layer, imageLock))
  const problems = rendered.flatMap((one) => one.problems)
  if (hasErrors(problems)) {
    printProblems(problems)
    throw new Refusal(['error: the images are not known before these are corrected'])
  }
  const images = rendered.flatMap((one) => [...usedImages(one, imageLock)])
  if (options.json) {
    printJson(images)
    return
  }
  const rows = images.map((one) => [one.environment, one.name, one.locked ? 'yes' : 'no', one.reference])
  for (const line of tableLines(['ENVIRONMENT', 'NAME', 'LOCKED', 'REFERENCE'], rows)) console.log(line)
}

async function lock(names: readonly string[], options: Options) {
  const [{ readImageLock, writeImageLock }, { lockImages, thirdPartyNames }, { resolveImage }] = await Promise.all([
    import('../lib/images/lock.ts'),
    import('../lib/images/lock-images.ts'),
    import('../lib/images/registry.ts'),
  ])
  const before = readImageLock()
  const lockable = thirdPartyNames(before)
  const refused = names.filter((name) => !lockable.includes(name))
  if (refused.length > 0) {
    const reasons = refused.map((name) =>
      Object.hasOwn(before, name)
        ? `'${name}' is an image of our own: its build writes its digest`
        : `unknown image '${name}'${suggestion(name, lockable)}`,
    )
    throw new UsageError(`${reasons.join('; ')}; can be locked: ${lockable.join(', ')}`)
  }
  const attempt = await lockImages(before, names.length > 0 ? names : lockable, (repository, version) =>
    resolveImage(repository, version),
  )
  printProblems(attempt.problems)
  if (attempt.problems.length > 0) throw new Refusal(['error: images.lock.json was not changed'])
  writeImageLock(attempt.lock)
  for (const { name, movedFrom } of attempt.changes) {
    if (movedFrom !== undefined) console.error(`warning: ${name}: its tag has moved, it was ${movedFrom}`)
  }
  if (options.json) {
    printJson(attempt.changes)
    return
  }
  const rows = attempt.changes.map((one) => [one.name, one.platforms.join(' ') || 'one', one.reference])
  for (const line of tableLines(['NAME', 'PLATFORMS', 'REFERENCE'], rows)) console.log(line)
}
