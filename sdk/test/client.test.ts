import assert from 'node:assert/strict'
import { afterEach, beforeEach, mock, test } from 'node:test'
import { createClient } from '../src/client'
import type { ConsentMode } from '../src/recom'
import { FakeBrowser, pass, settle } from './browser'

const KEY = 'rec_pub_0123456789ab_secret'
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/
const SLATE = { recommendation_id: 'r', placement: 'home', items: [] }

beforeEach(() => mock.timers.enable({ apis: ['setTimeout', 'Date'], now: Date.parse('2026-11-23T10:00:00Z') }))
afterEach(() => mock.reset())

function start(consent?: ConsentMode, navigator: object = {}, remote: object | null = {}, browser = new FakeBrowser(navigator)) {
  browser.answers = ({ url }) => {
    if (url.includes('widgets/config')) return remote ? { status: 200, body: remote } : 'unreachable'
    return url.includes('recommendations') ? { status: 200, body: SLATE } : { status: 202, body: { rejected: [] } }
  }
  return { browser, client: createClient({ key: KEY, api: 'https://api.test/', consent }) }
}

async function isSilent(browser: FakeBrowser): Promise<boolean> {
  await pass(5_000)
  return browser.events.length === 0 && browser.storage.values.size === 0
}

test('an event says what, who, when and in which session', async () => {
  const { browser, client } = start('granted')
  client.identify('u-9')
  client.track('add_to_cart', { item_id: 'SKU1', quantity: 2, price: '9.95' })
  await pass(2_000)
  const { event_id, visitor_id, session_id, ...rest } = browser.events[1]
  for (const id of [event_id, visitor_id, session_id]) assert.match(id, UUID)
  assert.deepEqual(rest, {
    type: 'add_to_cart', item_id: 'SKU1', quantity: 2, price: '9.95', user_id: 'u-9',
    occurred_at: '2026-11-23T10:00:00.000Z', consent: true,
  })
  assert.equal(browser.sent[0]!.url, `https://api.test/api/v1/events/batch?key=${KEY}`)
})

test('a login is told once, and anew after a logout', async () => {
  const { browser, client } = start('granted')
  client.identify('u-9')
  client.identify('u-9')
  client.track('view', { item_id: 'a' })
  await pass(2_000)
  start('granted', {}, {}, browser).client.identify('u-9')
  client.identify(null)
  client.track('view', { item_id: 'b' })
  client.identify('u-9')
  client.identify('u-10')
  await pass(2_000)
  assert.deepEqual(browser.events.map((event) => [event.type, event.user_id]), [
    ['login', 'u-9'], ['view', 'u-9'], ['view', undefined], ['login', 'u-9'], ['login', 'u-10'],
  ])
  assert.equal(new Set(browser.events.map((event) => event.visitor_id)).size, 1)
})

test('a login before the consent is told with it, and forgotten with the visitor', async () => {
  const { browser, client } = start('required')
  client.identify('u-9')
  assert.ok(await isSilent(browser))
  client.consent(true)
  client.consent(true)
  await pass(2_000)
  assert.deepEqual(browser.events.map((event) => [event.type, event.user_id]), [['login', 'u-9']])
  client.consent(false)
  assert.equal(browser.storage.values.size, 0)
})

test('a login before the configuration is there is told before what follows it', async () => {
  const { browser, client } = start(undefined, {}, { consent: 'auto' })
  client.identify('u-9')
  client.track('view', { item_id: 'a' })
  await pass(2_000)
  assert.deepEqual(browser.events.map((event) => event.type), ['login', 'view'])
})

test('an event says that the visitor or the shop agreed, and not that nobody was asked', async () => {
  for (const [mode, said, consent] of [
    ['granted', undefined, true], ['required', true, true], ['auto', true, true], ['auto', undefined, undefined],
  ] as const) {
    const { browser, client } = start(mode)
    if (said) client.consent(said)
    client.track('view', { item_id: 'a' })
    await pass(2_000)
    assert.equal(browser.events[0].consent, consent, `${mode} ${said}`)
  }
})

test('a session ends after 30 quiet minutes, a visitor does not', async () => {
  const { browser, client } = start('granted')
  client.track('view', { item_id: 'a' })
  await pass(29 * 60_000)
  client.track('view', { item_id: 'b' })
  await pass(31 * 60_000)
  client.track('view', { item_id: 'c' })
  await pass(2_000)
  const [a, b, c] = browser.events
  assert.equal(a.session_id, b.session_id)
  assert.notEqual(b.session_id, c.session_id)
  assert.equal(a.visitor_id, c.visitor_id)
})

test('the next page knows the visitor, another shop on the same origin does not', async () => {
  const { browser, client } = start('granted')
  client.track('view', { item_id: 'a' })
  start('granted', {}, {}, browser).client.track('view', { item_id: 'b' })
  createClient({ key: KEY.replace('0123', 'ffff'), api: 'https://api.test', consent: 'granted' }).track('view', { item_id: 'c' })
  await pass(2_000)
  const visitor = Object.fromEntries(browser.events.map((event) => [event.item_id, event.visitor_id]))
  assert.equal(visitor.a, visitor.b)
  assert.notEqual(visitor.a, visitor.c)
})

test('blocked storage costs nothing but memory of the visitor', async () => {
  const { browser, client } = start('granted')
  browser.storage.blocked = true
  client.track('view', { item_id: 'a' })
  client.track('view', { item_id: 'b' })
  await pass(2_000)
  assert.equal(browser.events.length, 2)
  assert.equal(browser.events[0].visitor_id, browser.events[1].visitor_id)
})

test('auto follows unless the browser asks not to', async () => {
  for (const [navigator, silent] of [[{}, false], [{ globalPrivacyControl: true }, true], [{ doNotTrack: '1' }, true]] as const) {
    const { browser, client } = start('auto', navigator)
    client.track('view', { item_id: 'a' })
    assert.equal(await isSilent(browser), silent, JSON.stringify(navigator))
  }
})

test('required stores and sends nothing before the visitor agrees, and is contextual until then', async () => {
  const { browser, client } = start('required')
  client.track('view', { item_id: 'a' })
  await client.recommend({ placement: 'pdp', items: ['a', 'b'], limit: 4 })
  assert.ok(await isSilent(browser))
  assert.deepEqual(browser.sent[0]!.body, { placement: 'pdp', item_id: ['a', 'b'], limit: 4 })
  assert.equal(await client.variant('shop:e1:1'), null)

  client.consent(true)
  client.track('view', { item_id: 'b' })
  await pass(2_000)
  assert.deepEqual(browser.events.map((event) => event.item_id), ['b'])
  await client.recommend()
  assert.equal(browser.sent.at(-1)!.body.visitor_id, browser.events[0].visitor_id)
})

test('a visitor who refuses is forgotten', async () => {
  const { browser, client } = start('granted')
  client.track('view', { item_id: 'a' })
  assert.equal(browser.storage.values.size, 3)
  client.consent(false)
  client.track('view', { item_id: 'b' })
  assert.ok(await isSilent(browser))
})

test('only true is an agreement', async () => {
  const { browser, client } = start('required')
  client.consent('denied' as unknown as boolean)
  client.track('view', { item_id: 'a' })
  assert.ok(await isSilent(browser))
})

test('what the visitor said outranks the signal of the browser', async () => {
  const { browser, client } = start('auto', { globalPrivacyControl: true })
  client.consent(true)
  client.track('view', { item_id: 'a' })
  await pass(2_000)
  assert.equal(browser.events.length, 1)
})

test('without data-consent the configuration decides, and events wait for it', async () => {
  for (const [remote, silent] of [[{ consent: 'auto' }, false], [{ consent: 'required' }, true], [null, true]] as const) {
    const { browser, client } = start(undefined, {}, remote)
    client.track('view', { item_id: 'a' })
    assert.equal(browser.storage.values.size, 0)
    assert.equal(await isSilent(browser), silent, JSON.stringify(remote))
  }
})

test('a visitor keeps the variant that the server computes', async () => {
  const { browser, client } = start('granted')
  browser.storage.values.set('recom:0123456789ab:visitor', 'v-1')
  assert.equal(await client.variant(''), 0) // bucket 0.317
  assert.equal(await client.variant('', { weights: [0.3, 0.7] }), 1)
  assert.equal(await client.variant('', { coverage: 0.5 }), null)
})

test('a refusal of a recommendation is an error with the reason', async () => {
  const { browser, client } = start('granted')
  browser.answers = () => ({ status: 404, body: { detail: 'There is no placement.' } })
  await assert.rejects(client.recommend({ placement: 'nope' }), /There is no placement/)
  browser.answers = () => 'unreachable'
  await assert.rejects(client.recommend(), /no answer/)
})

test('events left by an earlier page go out with this one', async () => {
  const { browser } = start('granted')
  browser.storage.values.set('recom:0123456789ab:queue', '[{"event_id":"old"}]')
  start('granted', {}, {}, browser)
  await pass(2_000)
  assert.deepEqual(browser.events, [{ event_id: 'old' }])
  await settle()
})
