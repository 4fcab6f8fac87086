/**
 * What a fork must change, and nothing else: `npx regent init` rewrites this file.
 * Address ranges are those of the API servers' endpoints, which no network policy can select otherwise.
 */
export const site = {
  repositoryUrl: 'https://github.com/regent-dev/regent',
  registry: 'ghcr.io/regent-dev',
  domain: 'regent.example',
  apiServerCidrs: {
    staging: ['10.10.0.0/24'],
    'production-us-east-1': ['10.20.0.0/24'],
    'production-eu-west-1': ['10.30.0.0/24'],
    'production-ap-southeast-1': ['10.40.0.0/24'],
  },
} as const
