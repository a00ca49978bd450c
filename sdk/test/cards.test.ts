import assert from 'node:assert/strict'
import { before, test } from 'node:test'
import { initialsOf, isOnSale, webAddress } from '../src/cards'
import { formatMoney } from '../src/money'
import type { Product } from '../src/recom'

before(() => Object.defineProperty(globalThis, 'location', { value: { href: 'https://shop.test/a/b' }, configurable: true }))

test('only web addresses become links', () => {
  assert.equal(webAddress('https://shop.test/p'), 'https://shop.test/p')
  assert.equal(webAddress('/p?x=1'), 'https://shop.test/p?x=1')
  for (const evil of ['javascript:alert(1)', ' JaVaScRiPt:alert(1)', 'java\nscript:alert(1)', 'data:text/html,x', 'vbscript:x', 'blob:x', 'http://', '', null]) {
    assert.equal(webAddress(evil), null, String(evil))
  }
})

test('initials stand in for an image', () => {
  assert.equal(initialsOf('white hanging Heart T-light'), 'WH')
  assert.equal(initialsOf('Élan 3000'), 'É3')
  assert.equal(initialsOf('日本 茶'), '日茶')
  assert.equal(initialsOf('«…»'), '')
})

test('money is written as the shop’s customers write it', () => {
  assert.equal(formatMoney('9.95', 'EUR', 'de'), '9,95\u00a0€')
  assert.equal(formatMoney('1234.5', 'GBP', 'en'), '£1,234.50')
  assert.equal(formatMoney('0.00', 'USD', 'en'), '$0.00')
  assert.equal(formatMoney('500', 'JPY', 'en'), '¥500')
  assert.equal(formatMoney('5', 'nonsense', 'en'), '5 nonsense')
  assert.equal(formatMoney('5', 'EUR', 'no_such_locale'), '5 EUR')
  assert.equal(formatMoney(null, 'EUR', 'en'), '')
  assert.equal(formatMoney('NaN', 'EUR', 'en'), '')
})

test('a sale price is asked between its dates', () => {
  const now = Date.parse('2026-11-28T12:00:00Z')
  const on = (sale_starts_at?: string | null, sale_ends_at?: string | null) => isOnSale({ sale_starts_at, sale_ends_at } as Product, now)
  assert.equal(on(), true)
  assert.equal(on(null, null), true)
  assert.equal(on('2026-11-28T13:00:00+01:00', '2026-11-28T12:00:01Z'), true)
  assert.equal(on('2026-11-28T12:00:01Z'), false)
  assert.equal(on(null, '2026-11-28T12:00:00Z'), false)
  assert.equal(on('soon', 'later'), true)
})
