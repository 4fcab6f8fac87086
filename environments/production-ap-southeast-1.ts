import { extend } from '../lib/config/layer.ts'
import { production } from './production.ts'
import { site } from './site.ts'

export const productionApSoutheast1 = extend(production, import.meta, {
  name: 'production-ap-southeast-1',
  region: { name: 'ap-southeast-1', weight: 1 },
  cluster: {
    zones: ['ap-southeast-1a', 'ap-southeast-1b', 'ap-southeast-1c'],
    nodes: 6,
    apiServer: { cidrs: site.apiServerCidrs['production-ap-southeast-1'] },
  },
  agent: { id: 'production-ap-southeast-1' },
  controlPlane: { replicas: 10, publicUrl: `https://api.ap-southeast-1.${site.domain}` },
  consensus: { members: 5 },
})
