/** Variables that mean the same in every program of ours. */
export const sharedVariables = {
  logLevel: {
    variable: 'LOG_LEVEL',
    type: 'choice',
    choices: ['debug', 'info', 'warn', 'error'],
    default: 'info',
    description: 'the least important level that is logged',
  },
  region: { variable: 'REGION', type: 'name', max: 40, description: 'the region in which the program runs' },
} as const
