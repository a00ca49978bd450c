import assert from 'node:assert/strict'
import { afterEach, beforeEach, mock, test } from 'node:test'
import { openQueue, QUEUE_LENGTH } from '../src/queue'
import { BATCH, MAX_RETRIES, openSender, WAIT_MS } from '../src/sender'
import { openStore } from '../src/storage'
import { FakeBrowser, pass, settle } from './browser'

const URL = 'https://api.test/api/v1/events/batch?key=k'
let browser: FakeBrowser

beforeEach(() => {
  mock.timers.enable({ apis: ['setTimeout', 'Date'], now: 1_000_000 })
  browser = new FakeBrowser()
})
afterEach(() => mock.reset())

function start() {
  const queue = openQueue(openStore('recom:'))
  const sender = openSender(URL, queue)
  const add = (count: number, urgent = false, prefix = 'e') => {
    for (let n = 0; n < count; n++) {
      queue.add({ event_id: `${prefix}${n}` })
      sender.wake(urgent)
    }
  }
  return { queue, sender, add }
}

test('a few events wait for company, and leave the queue when the server has them', async () => {
  const { queue, add } = start()
  add(3)
  await pass(WAIT_MS - 100)
  assert.equal(browser.sent.length, 0)
  await pass(100)
  assert.equal(browser.sent.length, 1)
  assert.deepEqual(browser.events.map((event) => event.event_id), ['e0', 'e1', 'e2'])
  assert.deepEqual(queue.read(), [])
})

test('a full batch goes at once, without a preflight and without cookies', async () => {
  const { add } = start()
  add(BATCH)
  await settle()
  const { options, url } = browser.sent[0]!
  assert.equal(url, URL)
  assert.equal(options.headers, undefined) // a string body is text/plain
  assert.equal(options.credentials, 'omit')
  assert.equal(options.keepalive, true)
})

test('a click overtakes a backlog, which follows', async () => {
  const { queue, add } = start()
  for (let n = 0; n < 50; n++) queue.add({ event_id: `old${n}` })
  add(1, true, 'click')
  assert.equal(browser.events.at(-1).event_id, 'click0')
  await pass(1_000)
  assert.equal(browser.events.length, 51)
  assert.equal(new Set(browser.events.map((event) => event.event_id)).size, 51)
})

test('nothing is sent twice while it is under way', async () => {
  const { add } = start()
  add(1, true, 'a')
  add(1, true, 'b')
  await settle()
  assert.deepEqual(browser.events.map((event) => event.event_id), ['a0', 'b0'])
})

test('a dead network is retried a few times, ever later, and then left alone', async () => {
  browser.answers = () => 'unreachable'
  const { queue, add } = start()
  add(1)
  await pass(30 * 60_000)
  assert.equal(browser.sent.length, 1 + MAX_RETRIES)
  assert.equal(queue.read().length, 1)
})

test('after the last retry a new event tries again, once', async () => {
  browser.answers = () => 'unreachable'
  const { add } = start()
  add(1)
  await pass(30 * 60_000)
  browser.sent.length = 0
  add(1, false, 'later')
  await pass(60 * 60_000)
  assert.equal(browser.sent.length, 1)
})

test('a server that is back gets everything', async () => {
  browser.answers = () => ({ status: 503 })
  const { queue, add } = start()
  add(2)
  await pass(WAIT_MS)
  browser.answers = () => ({ status: 202, body: { rejected: [] } })
  await pass(5_000)
  assert.deepEqual(queue.read(), [])
})

test('a busy server says when to come back', async () => {
  browser.answers = () => ({ status: 429, headers: { 'Retry-After': '60' } })
  const { add } = start()
  add(1, true)
  await pass(59_000)
  add(1, true, 'click')
  await settle()
  assert.equal(browser.sent.length, 1)
  await pass(2_000)
  assert.equal(browser.sent.length, 2)
})

test('a server that says weeks is not asked again in a hot loop', async () => {
  browser.answers = () => ({ status: 429, headers: { 'Retry-After': String(31 * 86_400) } })
  const timers: number[] = []
  const { setTimeout } = globalThis
  globalThis.setTimeout = ((callback: () => void, ms: number) => {
    timers.push(ms)
    return setTimeout(callback, ms)
  }) as typeof globalThis.setTimeout
  try {
    start().add(1, true)
    await pass(2 * 60 * 60_000)
    assert.equal(browser.sent.length, 1)
    assert.ok(timers.every((ms) => ms <= 60 * 60_000)) // beyond 2**31 ms a browser would call at once
  } finally {
    globalThis.setTimeout = setTimeout
  }
})

test('what the next page finds in the queue is sent with the same ids', async () => {
  browser.answers = () => 'unreachable'
  start().add(1, true)
  await settle()
  mock.timers.reset() // the first page is gone, and its retry with it
  mock.timers.enable({ apis: ['setTimeout', 'Date'], now: 2_000_000 })
  browser.answers = () => ({ status: 202, body: { rejected: [] } })
  const next = start()
  next.sender.wake()
  await pass(WAIT_MS)
  assert.deepEqual(browser.events.map((event) => event.event_id), ['e0', 'e0'])
  assert.deepEqual(next.queue.read(), [])
})

test('a refused key ends the sending on this page', async () => {
  browser.answers = () => ({ status: 401, body: { detail: 'revoked' } })
  const { queue, add } = start()
  add(1, true)
  await settle()
  add(1, true, 'again')
  await pass(60_000)
  assert.equal(browser.sent.length, 1)
  assert.deepEqual(queue.read().map((event) => event.event_id), ['again0'])
})

test('a page that some proxy answers instead of the server does not swallow events', async () => {
  browser.answers = () => ({ status: 200, body: undefined })
  const { queue, add } = start()
  add(1, true)
  await settle()
  assert.equal(queue.read().length, 1)
})

test('the queue keeps the newest 200 and survives what others write there', () => {
  const { queue } = start()
  for (let n = 0; n < QUEUE_LENGTH + 5; n++) queue.add({ event_id: `e${n}` })
  assert.equal(queue.read().length, QUEUE_LENGTH)
  assert.equal(queue.read()[0]!.event_id, 'e5')
  for (const nonsense of ['{', 'null', '{"a":1}', '[null, 3, "x", {"event_id": 4}]']) {
    browser.storage.values.set('recom:queue', nonsense)
    assert.deepEqual(queue.read(), [])
  }
})

test('the last moment of a page: keepalive where there is any, else a beacon, and the events stay queued', async () => {
  const { queue, sender } = start()
  queue.add({ event_id: 'last' })
  sender.leave()
  assert.equal(browser.sent.length, 1)

  const beacons: string[] = []
  const NodeRequest = globalThis.Request
  try {
    globalThis.Request = class {} as unknown as typeof Request
    new FakeBrowser({ sendBeacon: (_: string, body: string) => beacons.push(body) })
    const { queue, sender } = start()
    queue.add({ event_id: 'last' })
    sender.leave()
    assert.deepEqual(beacons.map((body) => JSON.parse(body).events[0].event_id), ['last'])
    assert.equal(queue.read().length, 1)
  } finally {
    globalThis.Request = NodeRequest
  }
})
