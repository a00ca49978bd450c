/** Which variant a visitor sees: the same numbers as the server's, held to the same vectors. */

const BUCKETS = 10_000

/** FNV-1a, 32 bits, over UTF-16 code units; a unit above 255 is mixed in whole. */
function fnv1a32(text: string): number {
  let value = 0x811c9dc5
  for (let at = 0; at < text.length; at++) value = Math.imul(value ^ text.charCodeAt(at), 0x01000193)
  return value >>> 0
}

/** Where the visitor falls in [0, 1), in steps of 0.0001. */
export function bucketOf(seed: string, visitorId: string): number {
  return (fnv1a32(String(fnv1a32(seed + visitorId))) % BUCKETS) / BUCKETS
}

/** The index of the variant that owns the bucket; null for a visitor outside the experiment. */
export function chooseVariant(bucket: number, weights: readonly number[], coverage: number): number | null {
  let start = 0
  for (let index = 0; index < weights.length; index++) {
    const weight = weights[index]!
    if (start <= bucket && bucket < start + coverage * weight) return index
    start += weight
  }
  return null
}
