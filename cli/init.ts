import { readFileSync, renameSync, writeFileSync } from 'node:fs'
import { registerHooks } from 'node:module'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { type Command, InvalidArgumentError } from 'commander'
import { hasErrors } from '../lib/report.ts'
import { loadEnvironments, suggestion } from './environments.ts'
import { Refusal, UsageError } from './errors.ts'
import { printProblems } from './print.ts'
import { projectFolder } from './project.ts'
import { readSiteFile, type Site, type SiteFile, siteFileText, type SiteValue } from './site-file.ts'
import type { SiteAnswers } from './site-problems.ts'

const siteName = 'environments/site.ts'
const siteFile = join(projectFolder, siteName)

export function addInit(program: Command): void {
  program
    .command('init')
    .description(`show what a fork must change in ${siteName}, and write it with --write`)
    .requiredOption('--repository <url>', 'https URL of the repository that holds dist/')
    .requiredOption('--registry <registry>', "registry and path of Regent's own images")
    .requiredOption('--domain <domain>', 'domain under which the APIs of the environments are reached')
    .option(
      '--api-server <environment>=<cidr>[,<cidr>]',
      "address ranges of an environment's API server; once for each environment",
      ranges,
      new Map(),
    )
    .option('--write', 'write the file instead of showing the difference alone')
    .addHelpText(
      'after',
      `
Examples:
  $ npx regent init --repository https://git.example.com/platform/regent --registry registry.example.com/regent --domain example.com
  $ npx regent init … --api-server staging=10.1.0.0/24 --api-server production-us-east-1=10.2.0.0/28,10.2.1.0/28 --write

The ranges of a cluster: kubectl get endpointslices -n default kubernetes`,
    )
    .action(init)
}

function ranges(value: string, before: ReadonlyMap<string, readonly string[]>): ReadonlyMap<string, readonly string[]> {
  const [, environment, list] = /^([^=]+)=(.+)$/.exec(value) ?? []
  if (environment === undefined || list === undefined) {
    throw new InvalidArgumentError('Expected <environment>=<cidr>[,<cidr>], such as staging=10.1.0.0/24.')
  }
  return new Map([...before, [environment, [...(before.get(environment) ?? []), ...list.split(',')]]])
}

async function init(answers: SiteAnswers & { readonly write?: true }) {
  const before = readFileSync(siteFile, 'utf8')
  const file = await currentFile(before)
  const site = changed(file.site, answers)
  const { answerProblems } = await import('./site-problems.ts')
  const problems = answerProblems(answers)
  printProblems(problems)
  if (hasErrors(problems)) throw new Refusal(['error: nothing was changed'])

  const after = siteFileText({ ...file, site })
  if (after === before) {
    console.log(`${siteName}: nothing to change`)
    return
  }
  await validate(after)
  const { createTwoFilesPatch, FILE_HEADERS_ONLY } = await import('diff')
  process.stdout.write(
    createTwoFilesPatch(`a/${siteName}`, `b/${siteName}`, before, after, undefined, undefined, {
      headerOptions: FILE_HEADERS_ONLY,
    }),
  )
  if (!answers.write) {
    console.error(`${siteName} was not changed: add --write`)
    return
  }
  writeFileSync(`${siteFile}.new`, after)
  renameSync(`${siteFile}.new`, siteFile)
  console.error(`${siteName} is written; 'npx regent synth' brings dist/ up to date`)
}

async function currentFile(text: string): Promise<SiteFile> {
  // The query keeps this module apart from the one that the environments will read.
  const module = (await import(`${pathToFileURL(siteFile).href}?current`)) as { readonly site?: unknown }
  const file = readSiteFile(text, module.site)
  if (file !== undefined) return file
  throw new Refusal([
    `error: ${siteName}: expected its comment and one object of texts and lists, formatted by 'npm run format', got more than that; change it by hand, or take what was added elsewhere`,
  ])
}

function changed(site: Site, { repository, registry, domain, apiServer }: SiteAnswers): Site {
  const known = site['apiServerCidrs']
  const cidrs: Readonly<Record<string, SiteValue>> = isGroup(known) ? known : {}
  for (const environment of apiServer.keys()) {
    if (Object.hasOwn(cidrs, environment)) continue
    const names = Object.keys(cidrs)
    throw new UsageError(
      `${siteName} has no ranges of '${environment}'${suggestion(environment, names)}; it has those of ${names.join(', ')}`,
    )
  }
  return {
    ...site,
    repositoryUrl: repository,
    registry,
    domain,
    apiServerCidrs: { ...cidrs, ...Object.fromEntries(apiServer) },
  }
}

function isGroup(value: SiteValue | undefined): value is Readonly<Record<string, SiteValue>> {
  return typeof value === 'object' && !Array.isArray(value)
}

/** Validates all environments as they would be with another site file, without writing it. */
async function validate(text: string): Promise<void> {
  const url = pathToFileURL(siteFile).href
  const hooks = registerHooks({
    load: (module, context, next) =>
      module === url ? { format: 'module-typescript', source: text, shortCircuit: true } : next(module, context),
  })
  const [layers, { synthesize }, { readImageLock }] = await Promise.all([
    loadEnvironments(),
    import('../lib/synthesize.ts'),
    import('../lib/images/lock.ts'),
  ])
  hooks.deregister()
  const { problems } = synthesize(layers, readImageLock())
  printProblems(problems)
  if (hasErrors(problems))
    throw new Refusal([`error: nothing was changed: with these values the environments are not valid`])
}
