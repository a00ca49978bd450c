/** The script tag: reads its `data-` attributes, takes over `window.recom` and runs what was queued before it came. */

import { createClient } from './client'
import { runCommand } from './commands'
import { warn } from './http'
import type { ConsentMode, Recom } from './recom'
import { defineWidget } from './widget'

type Loaded = Recom & { loaded?: true }

const script = (document.currentScript ?? document.querySelector('script[data-key]')) as HTMLScriptElement | null
const before = window.recom as Loaded | undefined

if (!script?.dataset.key) warn('the script tag lacks data-key')
else if (!before?.loaded) start(script, script.dataset.key)

function start({ dataset, src }: HTMLScriptElement, key: string): void {
  const api = dataset.api || new URL(src || location.href, location.href).origin
  const client = createClient({ key, api, consent: consentMode(dataset.consent) })
  const recom: Loaded = (...args: unknown[]) => runCommand(client, args)
  recom.loaded = true
  window.recom = recom
  for (const args of before?.q ?? []) void runCommand(client, Array.from(args))
  defineWidget(client)
}

/** A mode that does not exist is a typing error on the careful side. */
function consentMode(text: string | undefined): ConsentMode | undefined {
  if (!text) return undefined
  if (['auto', 'required', 'granted'].includes(text)) return text as ConsentMode
  warn(`data-consent="${text}" is none of auto, required, granted; using required`)
  return 'required'
}
