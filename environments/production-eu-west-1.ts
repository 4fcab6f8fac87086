import { extend } from '../lib/config/layer.ts'
import { production } from './production.ts'
import { site } from './site.ts'

export const productionEuWest1 = extend(production, import.meta, {
  name: 'production-eu-west-1',
  region: { name: 'eu-west-1', weight: 2 },
  cluster: {
    zones: ['eu-west-1a', 'eu-west-1b', 'eu-west-1c'],
    nodes: 6,
    apiServer: { cidrs: site.apiServerCidrs['production-eu-west-1'] },
  },
  agent: { id: 'production-eu-west-1' },
  controlPlane: { replicas: 15, publicUrl: `https://api.eu-west-1.${site.domain}` },
  consensus: { members: 5 },
})
