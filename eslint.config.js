import { defineConfig, globalIgnores } from 'eslint/config'
import tseslint from 'typescript-eslint'

export default defineConfig(
  globalIgnores(['dist/', '.synth/', '**/node_modules/', 'eslint.config.js']),
  tseslint.configs.strictTypeChecked,
  {
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    rules: {
      '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true, allowBoolean: true }],
      '@typescript-eslint/no-confusing-void-expression': ['error', { ignoreArrowShorthand: true }],
      // A construct registers itself with its scope: `new Chart(app, …)` without a name is the field's idiom.
      'no-new': 'off',
    },
  },
  {
    // The house of docs/architecture.md: arrows run main → platform → capability → contract and never back.
    files: ['contract/**/*.ts'],
    rules: { 'no-restricted-imports': ['error', { patterns: ['**/lib/**', '**/environments/**', '**/cli/**'] }] },
  },
)
