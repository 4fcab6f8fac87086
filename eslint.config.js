import { defineConfig, globalIgnores } from 'eslint/config'
import tseslint from 'typescript-eslint'

/** Arrows of docs/architecture.md: main → platform → lib/<capability> → contract, and none the other way. */
function noArrow(files, targets, message) {
  return { files, rules: { 'no-restricted-imports': ['error', { patterns: [{ group: targets, message }] }] } }
}

const capabilities = ['agent', 'consensus', 'control-plane', 'foundation', 'network-policy']

export default defineConfig(
  globalIgnores(['dist/', '.synth/', '**/node_modules/', 'eslint.config.js', 'jest.config.js']),
  tseslint.configs.strictTypeChecked,
  {
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    rules: {
      '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true, allowBoolean: true }],
      '@typescript-eslint/no-confusing-void-expression': [
        'error',
        { ignoreArrowShorthand: true, ignoreVoidReturningFunctions: true },
      ],
    },
  },
  // The launcher of the tool is JavaScript: a Node without TypeScript reads it.
  { files: ['cli/regent.js'], ...tseslint.configs.disableTypeChecked },
  noArrow(
    ['contract/*.ts'],
    ['**/lib/**', '**/cli/**', '**/environments/**'],
    'the contract stands on nothing of ours',
  ),
  noArrow(
    ['runtime/**/*.ts'],
    ['**/lib/**', '**/cli/**', '**/environments/**', '**/images/**', '**/agent/**', '**/control-plane/**'],
    'what every program runs on knows none of them',
  ),
  ...['agent', 'control-plane'].map((program) =>
    noArrow(
      [`${program}/src/**/*.ts`],
      [
        ...['lib', 'cli', 'environments', 'images', 'test'].map((folder) => `**/${folder}/**`),
        ...['agent', 'control-plane'].filter((other) => other !== program).map((other) => `@regent/${other}/**`),
      ],
      'a program stands on the contract and on runtime/ alone',
    ),
  ),
  {
    files: ['images/*.ts'],
    rules: {
      'no-restricted-imports': [
        'error',
        {
          patterns: [
            {
              regex: '^\\.\\./(?!lib/images/|environments/site\\.ts$|[-a-z]+/image/declaration\\.ts$)',
              message: 'images are built of what each program declares, and of the lock',
            },
          ],
        },
      ],
    },
  },
  {
    files: ['environments/**/*.ts'],
    rules: {
      'no-restricted-imports': [
        'error',
        {
          patterns: [
            {
              regex: '^(?!\\./|\\.\\./lib/config/layer\\.ts$)',
              message: 'environments are data: they know layers, and nothing else',
            },
          ],
        },
      ],
    },
  },
  ...capabilities.map((capability) =>
    noArrow(
      [`lib/${capability}/**/*.ts`],
      [
        '**/environments/**',
        '**/cli/**',
        '**/platform.ts',
        ...capabilities.filter((other) => other !== capability).map((other) => `**/../${other}/**`),
      ],
      'what a capability needs of another is passed to it by lib/platform.ts',
    ),
  ),
  noArrow(
    ['lib/workload/**/*.ts', 'lib/output/**/*.ts', 'lib/checks/**/*.ts', 'lib/admission-policy/**/*.ts'],
    [
      '**/environments/**',
      '**/cli/**',
      '**/platform.ts',
      ...capabilities.map((capability) => `**/../${capability}/**`),
    ],
    'what all capabilities share knows none of them',
  ),
)
