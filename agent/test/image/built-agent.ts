import type { BuildProps } from '../../../images/build.ts'
import { type BuiltForTests, builtImage, testedProps } from '../../../images/test/built-image.ts'
import { agentImage } from '../../image/declaration.ts'

/** The agent's image as the tests use it. */
export type BuiltAgent = BuiltForTests

/** What the tests build. */
export const agentProps = (): Promise<BuildProps> => testedProps(agentImage)

/** The agent's image, built once per cluster: call it in `beforeAll`, with minutes to spare. */
export const builtAgent = (): Promise<BuiltAgent> => builtImage(agentImage)
