/** What the image of the agent is made of; `images/` builds it with the Dockerfile beside this folder. */
export const agentImage = {
  /** Its name in `images.lock.json`, and the last part of its repository. */
  name: 'agent',
  /** The folder of the workspace, from the top of the project. */
  workspace: 'agent',
  /** The program, from the workspace. Workers that it starts are found by themselves: see docs/images.md. */
  main: 'src/main.ts',
  others: [],
} as const
