import assert from 'node:assert/strict'
import { afterEach, beforeEach, mock, test } from 'node:test'
import { runCommand } from '../src/commands'
import type { Client } from '../src/recom'
import { settle } from './browser'

const client = {
  track: mock.fn(() => { throw new Error('unserialisable') }),
  recommend: async (query: unknown) => ({ for: query }),
} as unknown as Client

beforeEach(() => mock.method(console, 'warn', () => {}))
afterEach(() => mock.restoreAll())

test('a command’s last function is its callback', async () => {
  const callback = mock.fn()
  const result = runCommand(client, ['recommend', { placement: 'home' }, callback])
  assert.deepEqual(await result, { for: { placement: 'home' } })
  assert.deepEqual(callback.mock.calls[0]!.arguments, [{ for: { placement: 'home' } }])
})

test('a mistake is a warning and the callback’s error, never an exception in the page', async () => {
  for (const args of [['tarck'], ['constructor'], ['track', 'view'], [], [null]]) {
    const callback = mock.fn()
    void runCommand(client, [...(args.length ? args : [undefined]), callback]).catch(() => {})
    await settle()
    assert.equal(callback.mock.calls[0]!.arguments[0], null)
    assert.ok(callback.mock.calls[0]!.arguments[1] instanceof Error)
  }
})
