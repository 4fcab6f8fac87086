/** `node:fs/promises` for credentials: every file is there, and holds a token. */
export function stat(): Promise<{ readonly size: number }> {
  return Promise.resolve({ size: 5 })
}

export function readFile(): Promise<string> {
  return Promise.resolve('token')
}
