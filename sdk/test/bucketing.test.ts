import assert from 'node:assert/strict'
import { test } from 'node:test'
import vectors from '../../experiments/vectors.json'
import { bucket, choose } from '../src/recom'

test('every vector that the server is held to', () => {
  assert.ok(vectors.length > 50)
  for (const { seed, visitor_id, bucket: expected } of vectors) assert.equal(bucket(seed, visitor_id), expected)
})

test('a bucket belongs to the variant whose range holds it, and to none beyond the coverage', () => {
  assert.equal(choose(0, [0.5, 0.5], 1), 0)
  assert.equal(choose(0.4999, [0.5, 0.5], 1), 0)
  assert.equal(choose(0.5, [0.5, 0.5], 1), 1)
  assert.equal(choose(0.3, [0.5, 0.5], 0.5), null)
  assert.equal(choose(0.74, [0.5, 0.5], 0.5), 1)
  assert.equal(choose(0.2, [0, 1], 1), 1)
})
