import assert from 'node:assert/strict'
import { test } from 'node:test'

test('the module can be imported and started where there is no browser', async () => {
  const built = new URL('../../recomengine/static/sdk/v1/recom.mjs', import.meta.url).href
  const { init, bucket } = (await import(built)) as typeof import('../src/recom')
  assert.equal(bucket('', 'v-1'), 0.317)
  const client = init({ key: 'rec_pub_0123456789ab_x', api: 'https://api.invalid' })
  client.track('view', { item_id: 'a' })
  assert.equal(await client.variant('seed'), null)
})
