/** One shop's client: consent first, then events and recommendations. */

import { bucketOf, chooseVariant } from './bucketing'
import { asksForPrivacy, decide } from './consent'
import { get, post } from './http'
import { forget, sessionId, uuid, visitorId } from './identity'
import { openQueue } from './queue'
import type { Client, ConsentMode, EventFields, EventType, Options, Query, Slate, Split } from './recom'
import { openSender } from './sender'
import { openStore } from './storage'

/** What the shop configured for its pages. */
export interface Config {
  currency?: string
  locale?: string
  consent?: ConsentMode
  placements?: { key: string; name: string; limit: number }[]
}

/** A client as the widgets use it. */
export interface WidgetClient extends Client {
  config(): Promise<Config>
  /** Track an event that the page may not outlive. */
  trackNow(type: EventType, fields: EventFields): void
}

export function createClient({ key, api, consent: mode }: Options): WidgetClient {
  const address = (path: string) => `${api.replace(/\/+$/, '')}/api/v1/${path}?key=${encodeURIComponent(key)}`
  const store = openStore(`recom:${key.split('_')[2]}:`)
  const queue = openQueue(store)
  const sender = openSender(address('events/batch'), queue)
  const waiting: (() => void)[] = []
  let said: boolean | undefined
  let user: string | undefined
  let loading: Promise<Config> | undefined

  /** A shop whose configuration cannot be read is treated as one that asks first. */
  const config = () =>
    (loading ??= get(address('widgets/config')).then(({ status, body }) => (status === 200 ? (body as Config) : {})))
  const known = () => mode !== undefined || said !== undefined
  const decision = () => decide(mode ?? 'required', said, asksForPrivacy())
  const allowed = () => known() && decision() === 'granted'

  /** Run once it is known whether the visitor may be followed. */
  function whenKnown(action: () => void): void {
    if (known()) action()
    else waiting.push(action)
  }

  function settle(): void {
    if (decision() === 'denied') forget(store)
    else if (allowed() && queue.read().length) sender.wake()
    join()
    for (const action of waiting.splice(0)) action()
  }

  function record(urgent: boolean, type: EventType | 'login', fields: EventFields): void {
    const event = { event_id: uuid(), type, occurred_at: new Date().toISOString(), user_id: user, ...fields }
    whenKnown(() => {
      if (!allowed()) return
      // Without it the server takes nothing from a browser that asks for privacy.
      const consent = said || mode === 'granted' ? true : undefined
      queue.add({ ...event, visitor_id: visitorId(store), session_id: sessionId(store, Date.now()), consent })
      sender.wake(urgent)
    })
  }

  /** Say once, and to nobody who must not know, which user this visitor is. */
  function join(): void {
    if (!user || !allowed() || store.get('user') === user) return
    store.set('user', user)
    record(false, 'login', {})
  }

  async function recommend({ items, ...query }: Query = {}): Promise<Slate> {
    await new Promise<void>(whenKnown)
    const visitor = allowed() ? { visitor_id: visitorId(store), user_id: user } : {}
    const answer = await post(address('recommendations'), JSON.stringify({ ...query, item_id: items, ...visitor }))
    if (answer.status !== 200) {
      throw new Error((answer.body as { detail?: string } | undefined)?.detail ?? `no answer (${answer.status})`)
    }
    return answer.body as Slate
  }

  async function variant(seed: string, { weights = [0.5, 0.5], coverage = 1 }: Split = {}): Promise<number | null> {
    await new Promise<void>(whenKnown)
    return allowed() ? chooseVariant(bucketOf(seed, visitorId(store)), weights, coverage) : null
  }

  if (typeof document === 'undefined') mode = 'required' // on a server there is nobody to follow
  else {
    addEventListener('pagehide', sender.leave)
    document.addEventListener('visibilitychange', () => document.visibilityState === 'hidden' && sender.leave())
  }
  if (known()) settle()
  else
    void config().then((loaded) => {
      mode = loaded.consent ?? 'required'
      settle()
    })

  return {
    config,
    recommend,
    variant,
    track: (type, fields = {}) => record(false, type, fields),
    trackNow: (type, fields) => record(true, type, fields),
    identify(userId) {
      user = userId ?? undefined
      if (user) join()
      else store.remove('user')
    },
    consent(given) {
      said = given === true // any other value, a string above all, is no agreement
      settle()
    },
  }
}
