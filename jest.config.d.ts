/** What test/run.ts builds the configuration of each level from. */
declare const config: { readonly testMatch: readonly string[] }
export default config
