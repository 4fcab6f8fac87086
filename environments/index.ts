import type { Layer } from '../lib/config/layer.ts'
import { dev } from './dev.ts'
import { local } from './local.ts'
import { productionApSoutheast1 } from './production-ap-southeast-1.ts'
import { productionEuWest1 } from './production-eu-west-1.ts'
import { productionUsEast1 } from './production-us-east-1.ts'
import { staging } from './staging.ts'

/** Every environment that is synthesized. A new one is a file here and a line in this list. */
export const environments: readonly Layer[] = [
  dev,
  local,
  staging,
  productionUsEast1,
  productionEuWest1,
  productionApSoutheast1,
]
