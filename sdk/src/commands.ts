/** `recom('track', …)`: a command by name, its last argument a callback if it is a function. */

import { warn } from './http'
import type { Client } from './recom'

type Callback = (result: unknown, error?: unknown) => void
const COMMANDS: readonly string[] = ['track', 'recommend', 'variant', 'identify', 'consent'] satisfies (keyof Client)[]

/** Nothing that a page passes here may break the page: what goes wrong is a warning, and the callback's `error`. */
export function runCommand(client: Client, [name, ...args]: unknown[]): Promise<unknown> {
  const callback = typeof args[args.length - 1] === 'function' ? (args.pop() as Callback) : undefined
  const result = new Promise<unknown>((resolve) => {
    if (!COMMANDS.includes(name as string)) throw new Error(`there is no command ${String(name)}`)
    const command = client[name as keyof Client] as (...args: unknown[]) => unknown
    resolve(command(...args))
  })
  const failed = (error: unknown) => {
    warn((error as Error).message)
    callback?.(null, error)
  }
  void result.then((value) => callback?.(value), failed)
  return result
}
