import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

const fileName = 'handles.json'

/** Options of Node with which a process tells on SIGUSR2 what it has open, into a folder. */
export function tellingHandles(folder: string): readonly string[] {
  return [
    '--report-on-signal',
    '--report-exclude-env',
    '--report-exclude-network',
    `--report-directory=${folder}`,
    `--report-filename=${fileName}`,
  ]
}

interface Handle {
  readonly type: string
  readonly is_active?: boolean
  readonly is_referenced?: boolean
}

/** What such a process has open and waits for, a line for each; nothing where it did not tell. */
export function openHandles(folder: string): readonly string[] {
  const file = join(folder, fileName)
  if (!existsSync(file)) return []
  const { libuv } = JSON.parse(readFileSync(file, 'utf8')) as { readonly libuv: readonly Handle[] }
  return libuv
    .filter(({ is_active, is_referenced }) => is_active && is_referenced)
    .map((handle) => JSON.stringify(handle))
}
