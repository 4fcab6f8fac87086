import { extend } from '../lib/config/layer.ts'
import { production } from './production.ts'
import { site } from './site.ts'

export const productionUsEast1 = extend(production, import.meta, {
  name: 'production-us-east-1',
  region: { name: 'us-east-1', weight: 3 },
  cluster: {
    zones: ['us-east-1a', 'us-east-1b', 'us-east-1c'],
    nodes: 9,
    apiServer: { cidrs: site.apiServerCidrs['production-us-east-1'] },
  },
  agent: { id: 'production-us-east-1' },
  controlPlane: { replicas: 20, publicUrl: `https://api.us-east-1.${site.domain}` },
  consensus: { members: 7 },
})
