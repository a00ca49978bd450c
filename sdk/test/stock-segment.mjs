// Segment's library for Node, unchanged, sends to the address and with the key of the command line; it prints what
// failed. tests/edge/test_stock_libraries.py looks at what came of it.
import { Analytics } from '@segment/analytics-node'

const [host, writeKey, path] = process.argv.slice(2)
const analytics = new Analytics({ writeKey, host, ...(path && { path }), flushAt: 3, maxRetries: 5 })
analytics.on('error', (error) => console.log(JSON.stringify(error)))
const who = { anonymousId: 'node-v1', userId: 'node-u1' }

analytics.identify(who)
analytics.page({ ...who, name: 'Home' })
analytics.track({ ...who, event: 'Product Viewed', properties: { product_id: 'mug', price: 9.95, currency: 'USD' } })
analytics.track({ ...who, event: 'Product Added', properties: { product_id: 'mug', quantity: 2, price: 9.95 } })
analytics.track({
  ...who,
  event: 'Order Completed',
  properties: { order_id: `node-${path ?? 'o1'}`, currency: 'USD', products: [{ product_id: 'mug', quantity: 2, price: 9.95 }] },
})
analytics.alias({ userId: 'node-u1', previousId: 'node-v0' })
analytics.track({ ...who, event: 'Newsletter Opened' })
await analytics.closeAndFlush({ timeout: 20_000 })
