/** What the image of the control plane is made of; `images/` builds it with the Dockerfile beside this folder. */
export const controlPlaneImage = {
  /** Its name in `images.lock.json`, and the last part of its repository. */
  name: 'control-plane',
  /** The folder of the workspace, from the top of the project. */
  workspace: 'control-plane',
  /** The program, from the workspace. */
  main: 'src/main.ts',
  /** Keeps etcd's users: a few modules of its own beside those of the store. */
  others: ['src/consensus-access.ts'],
} as const
