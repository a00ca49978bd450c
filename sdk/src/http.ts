/** Requests that need no preflight: text/plain, no headers, no cookies. */

const TIMEOUT_MS = 10_000

/** What a server answered; status 0 when none did. */
export interface Answer {
  status: number
  body: unknown
  retryAfter: number
}

export const post = (url: string, body: string, keepalive = false) => exchange(url, { method: 'POST', body, keepalive })
export const get = (url: string) => exchange(url, {})

async function exchange(url: string, options: RequestInit): Promise<Answer> {
  const abort = new AbortController()
  const timer = setTimeout(() => abort.abort(), TIMEOUT_MS)
  try {
    const response = await fetch(url, { ...options, credentials: 'omit', signal: abort.signal })
    const retryAfter = Number(response.headers.get('Retry-After')) || 0
    const body: unknown = await response.json().catch(() => undefined)
    return { status: response.status, body, retryAfter }
  } catch {
    return { status: 0, body: undefined, retryAfter: 0 } // no network, blocked, or cut off: the caller decides
  } finally {
    clearTimeout(timer)
  }
}

export function warn(...words: unknown[]): void {
  console.warn('[recom]', ...words)
}
