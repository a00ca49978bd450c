/** Who visits, and which visit it is: made and kept only once there is consent. */

import type { Store } from './storage'

const SESSION_MS = 30 * 60_000
const ID = /^[\x21-\x7e]{1,128}$/

/** A random UUID, version 4; `crypto.randomUUID` is missing on pages without TLS. */
export function uuid(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16))
  bytes[6] = (bytes[6]! & 0x0f) | 0x40
  bytes[8] = (bytes[8]! & 0x3f) | 0x80
  const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('')
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-')
}

/** The visitor's id, made at the first call. */
export function visitorId(store: Store): string {
  const known = store.get('visitor')
  if (known && ID.test(known)) return known
  const made = uuid()
  store.set('visitor', made)
  return made
}

/** The session's id; a new one after 30 minutes without an event. */
export function sessionId(store: Store, now: number): string {
  const [id = '', at = ''] = (store.get('session') ?? '').split(' ')
  const idle = now - Number(at)
  const current = ID.test(id) && idle >= 0 && idle < SESSION_MS ? id : uuid()
  store.set('session', `${current} ${now}`)
  return current
}

export function forget(store: Store): void {
  for (const name of ['visitor', 'session', 'user', 'queue']) store.remove(name)
}
