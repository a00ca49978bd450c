/** Events that no server has confirmed yet: the newest 200, kept across pages and shared by the shop's tabs. */

import type { Store } from './storage'

export const QUEUE_LENGTH = 200

export interface QueuedEvent {
  event_id: string
  [field: string]: unknown
}

export interface Queue {
  read(): QueuedEvent[]
  add(event: QueuedEvent): void
  remove(ids: ReadonlySet<string>): void
}

/** Every change reads the stored list again, because another tab may have changed it. */
export function openQueue(store: Store): Queue {
  const read = () => parse(store.get('queue'))
  const write = (events: QueuedEvent[]) =>
    events.length ? store.set('queue', JSON.stringify(events.slice(-QUEUE_LENGTH))) : store.remove('queue')
  return {
    read,
    add: (event) => write([...read(), event]),
    remove: (ids) => write(read().filter((event) => !ids.has(event.event_id))),
  }
}

function parse(text: string | null): QueuedEvent[] {
  try {
    const events: unknown = JSON.parse(text ?? '[]')
    return Array.isArray(events) ? events.filter((event) => typeof event?.event_id === 'string') : []
  } catch {
    return [] // another script wrote over it
  }
}
