/**
 * Sends what is queued: 20 events or 1.5 seconds at a time, and at once before the page goes.
 *
 * An event leaves the queue when the server has answered for it. What a page could not confirm the next page sends
 * again; the server knows events by their ids and counts none twice.
 */

import type { Queue, QueuedEvent } from './queue'
import { post, warn } from './http'

export const BATCH = 20
export const WAIT_MS = 1_500
export const MAX_RETRIES = 5
const MAX_DELAY_MS = 5 * 60_000
const MAX_TIMER_MS = 60 * 60_000 // a Retry-After may be weeks, and browsers take timers beyond 24 days for none at all
const KEEPALIVE_LENGTH = 15_000 // characters; a browser lets 64 KB of such requests be under way at a time

export interface Sender {
  /** Something was queued: send it soon, or now if it cannot wait. */
  wake(urgent?: boolean): void
  /** The page may be gone in a moment. */
  leave(): void
}

/** Whether asking again would change nothing; a 200 is not our server's word, but some proxy's. */
const isFinal = (status: number) => status === 202 || (status >= 400 && status < 500 && status !== 408 && status !== 429)

export function openSender(url: string, queue: Queue): Sender {
  const underWay = new Set<string>()
  let timer: ReturnType<typeof setTimeout> | undefined
  let failures = 0
  let notBefore = 0
  let refused = false

  const idle = () => queue.read().filter((event) => !underWay.has(event.event_id))

  function wake(urgent = false): void {
    if (urgent || idle().length >= BATCH) flush()
    else schedule(Math.max(WAIT_MS, notBefore - Date.now()))
  }

  function schedule(ms: number): void {
    timer ??= setTimeout(flush, Math.min(ms, MAX_TIMER_MS))
  }

  /** Newest first, so that a backlog never keeps a click waiting. */
  function flush(): void {
    clearTimeout(timer)
    timer = undefined
    const batch = idle().slice(-BATCH)
    if (refused || !batch.length) return
    if (Date.now() < notBefore) schedule(notBefore - Date.now())
    else void send(batch)
  }

  async function send(batch: QueuedEvent[]): Promise<void> {
    const ids = new Set(batch.map((event) => event.event_id))
    ids.forEach((id) => underWay.add(id))
    const body = JSON.stringify({ events: batch })
    const answer = await post(url, body, body.length < KEEPALIVE_LENGTH)
    if (isFinal(answer.status)) settle(answer.status, answer.body, ids)
    else retry(answer.retryAfter)
    ids.forEach((id) => underWay.delete(id))
    if (!failures && idle().length) schedule(0)
  }

  function settle(status: number, body: unknown, ids: Set<string>): void {
    failures = 0
    refused = status === 401 || status === 403
    queue.remove(ids)
    const { rejected, detail } = (body ?? {}) as { rejected?: unknown[]; detail?: string }
    if (status >= 400) warn(detail ?? `events were refused: ${status}`)
    else if (rejected?.length) warn('events were rejected', rejected)
  }

  /** Doubling delays with jitter; after the last retry, only a new event tries again. */
  function retry(retryAfter: number): void {
    const delay = Math.min(1_000 * 2 ** failures++, MAX_DELAY_MS) * (0.5 + Math.random())
    notBefore = Date.now() + Math.max(delay, retryAfter * 1_000)
    if (failures <= MAX_RETRIES) schedule(notBefore - Date.now())
  }

  function leave(): void {
    if (typeof Request === 'function' && 'keepalive' in Request.prototype) flush()
    else if (!refused && queue.read().length) {
      // Without keepalive the page takes its requests with it. A beacon's answer cannot be read, so the events stay
      // queued whether or not the browser takes it.
      navigator.sendBeacon(url, JSON.stringify({ events: queue.read().slice(-BATCH) }))
    }
  }

  return { wake, leave }
}
