/** The little of a browser that the tests need: storage, a network that answers as told, and the page's events. */

import { mock } from 'node:test'

export interface Sent {
  url: string
  body: any
  options: RequestInit
}

export type Answers = (sent: Sent) => { status: number; body?: unknown; headers?: Record<string, string> } | 'unreachable'

export class FakeStorage {
  readonly values = new Map<string, string>()
  blocked = false
  getItem(name: string): string | null {
    this.check()
    return this.values.get(name) ?? null
  }
  setItem(name: string, value: string): void {
    this.check()
    this.values.set(name, value)
  }
  removeItem(name: string): void {
    this.check()
    this.values.delete(name)
  }
  private check(): void {
    if (this.blocked) throw new DOMException('The operation is insecure.', 'SecurityError')
  }
}

export class FakeBrowser {
  readonly storage = new FakeStorage()
  readonly sent: Sent[] = []
  readonly page = new EventTarget() as EventTarget & { visibilityState: string }
  answers: Answers = () => ({ status: 202, body: { accepted: 1, duplicates: 0, rejected: [] } })

  constructor(navigator: object = {}) {
    this.page.visibilityState = 'visible'
    const define = (name: string, value: unknown) =>
      Object.defineProperty(globalThis, name, { value, configurable: true, writable: true })
    define('localStorage', this.storage)
    define('document', this.page)
    define('addEventListener', this.page.addEventListener.bind(this.page))
    define('location', { href: 'https://shop.test/product' })
    define('navigator', navigator)
    define('fetch', (url: string, options: RequestInit) => this.fetch(url, options))
    mock.method(console, 'warn', () => {})
  }

  private async fetch(url: string, options: RequestInit): Promise<unknown> {
    const sent = { url, options, body: options.body ? JSON.parse(options.body as string) : undefined }
    this.sent.push(sent)
    const answer = this.answers(sent)
    if (answer === 'unreachable') throw new TypeError('Failed to fetch')
    return { status: answer.status, headers: new Headers(answer.headers), json: async () => answer.body }
  }

  /** The events of every request so far, in order. */
  get events(): any[] {
    return this.sent.filter(({ url }) => url.includes('/events/')).flatMap(({ body }) => body.events)
  }
}

/** Let everything run that waits for no timer. */
export async function settle(): Promise<void> {
  for (let turn = 0; turn < 20; turn++) await Promise.resolve()
}

/** Let mocked time pass in small steps, and what it wakes run. */
export async function pass(ms: number): Promise<void> {
  for (let at = 0; at < ms; at += 100) {
    mock.timers.tick(100)
    await settle()
  }
}
