import { availableParallelism } from 'node:os'

/** Tests are ES modules in TypeScript: swc only strips the types, `npm run check` is what checks them. */
export default {
  testEnvironment: 'node',
  extensionsToTreatAsEsm: ['.ts'],
  moduleFileExtensions: ['ts', 'js', 'json', 'node'],
  transform: {
    '\\.ts$': ['@swc/jest', { jsc: { parser: { syntax: 'typescript' }, target: 'es2024' }, module: { type: 'es6' } }],
  },
  testMatch: ['<rootDir>/test/**/*.test.ts', '<rootDir>/*/test/**/*.test.ts'],
  // These need a cluster: test/run.ts starts one and runs them.
  testPathIgnorePatterns: ['/node_modules/', '\\.(api|nodes)\\.test\\.ts$'],
  // On two cores jest would start one worker; half of the tests wait for child processes.
  maxWorkers: Math.max(2, availableParallelism() - 1),
  watchman: false,
}
