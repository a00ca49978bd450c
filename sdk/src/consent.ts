/** Whether the visitor may be followed. */

import type { ConsentMode } from './recom'

export type Decision = 'granted' | 'denied' | 'open'

/** Global Privacy Control or Do Not Track. */
export function asksForPrivacy(): boolean {
  if (typeof navigator === 'undefined') return false
  const browser = navigator as Navigator & { globalPrivacyControl?: boolean }
  return browser.globalPrivacyControl === true || browser.doNotTrack === '1'
}

/**
 * What the visitor said outranks everything; then the shop's mode. `required` stays open until somebody asks, and
 * `open` is treated as no: nothing is stored and nothing is sent.
 */
export function decide(mode: ConsentMode, said: boolean | undefined, privacy: boolean): Decision {
  if (said !== undefined) return said ? 'granted' : 'denied'
  if (mode === 'granted') return 'granted'
  if (privacy) return 'denied'
  return mode === 'auto' ? 'granted' : 'open'
}
