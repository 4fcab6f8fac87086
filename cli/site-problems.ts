import { type Problem, printed } from '@regent/contract/problem.ts'
import type { z } from 'zod'
import { clusterSettings } from '../lib/config/cluster-settings.ts'
import { environmentSchema } from '../lib/config/environment.ts'
import { originUrl } from '../lib/config/fields.ts'

/** What `init` was given. */
export interface SiteAnswers {
  readonly repository: string
  readonly registry: string
  readonly domain: string
  /** Address ranges by environment. */
  readonly apiServer: ReadonlyMap<string, readonly string[]>
}

const { repositoryUrl, registry } = environmentSchema.shape
const domainForm = originUrl('a domain')

/** Everything that is wrong with the answers, by the rules that the environments have for them. */
export function answerProblems(answers: SiteAnswers): readonly Problem[] {
  const domain = domainForm.safeParse(`https://api.${answers.domain}`).success && !answers.domain.includes(':')
  return [
    ...problems('--repository', answers.repository, repositoryUrl),
    ...problems('--registry', answers.registry, registry),
    ...(domain ? [] : [problem('--domain', answers.domain, 'a domain such as "example.com"')]),
    ...[...answers.apiServer].flatMap(([environment, ranges]) =>
      problems(`--api-server ${environment}`, ranges, clusterSettings.shape.apiServer.shape.cidrs),
    ),
  ]
}

function problems(path: string, value: unknown, schema: z.ZodType): readonly Problem[] {
  const parsed = schema.safeParse(value, { reportInput: true })
  return parsed.success ? [] : parsed.error.issues.map(({ input, message }) => problem(path, input, message))
}

function problem(path: string, value: unknown, expected: string): Problem {
  return { path, received: printed(value), expected, fix: 'correct it', severity: 'error' }
}
