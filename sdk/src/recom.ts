/**
 * RecomEngine in the browser, as a module: `init({ key, api })` gives a client and registers `<recom-widget>`.
 *
 * Importing it does nothing, on a server too. Everything public is declared in this file.
 */

import { bucketOf, chooseVariant } from './bucketing'
import { createClient } from './client'
import { defineWidget } from './widget'

export type EventType = 'view' | 'click' | 'impression' | 'add_to_cart' | 'remove_from_cart' | 'purchase' | 'refund'
export type ConsentMode = 'auto' | 'required' | 'granted'

/** One item of an event; `price` is per unit. */
export interface Line {
  item_id: string
  quantity?: number
  price?: string | number
}

/** What an event says beside its type; the event's id and time, the visitor and the session are filled in. */
export interface EventFields extends Partial<Line> {
  items?: Line[]
  order_id?: string
  currency?: string
  user_id?: string
  event_id?: string
  recommendation_id?: string
  placement?: string
  position?: number
  properties?: Record<string, unknown>
}

/** What to recommend for; without `items`, for the page or the visitor alone. */
export interface Query {
  placement?: string
  items?: string | string[]
  exclude?: string[]
  limit?: number
  strategy?: string
}

export interface Product {
  item_id: string
  title: string
  url: string
  image_url: string
  price: string | null
  sale_price: string | null
  /** Between these the sale price is asked, where they are given. */
  sale_starts_at?: string | null
  sale_ends_at?: string | null
  currency: string
  [field: string]: unknown
}

export interface Recommended {
  item_id: string
  position: number
  score: number
  source: string
  reason: { code: string; text: string; count: number; because_of?: string }
  product: Product
}

export interface Slate {
  recommendation_id: string
  placement: string
  strategy: string
  items: Recommended[]
  empty_reason?: { code: string; message: string }
  [field: string]: unknown
}

/** Shares that sum to 1, two equal ones by default, and the share of visitors who take part. */
export interface Split {
  weights?: number[]
  coverage?: number
}

export interface Options {
  /** A publishable key: `rec_pub_…`. */
  key: string
  /** Where the API answers, e.g. `https://api.example.com`. */
  api: string
  /** Instead of the mode that is configured for the shop. */
  consent?: ConsentMode
}

export interface Client {
  track(type: EventType, fields?: EventFields): void
  recommend(query?: Query): Promise<Slate>
  /** The index of this visitor's variant; null outside the experiment, and for visitors without an id. */
  variant(seed: string, split?: Split): Promise<number | null>
  /** The shop's login of this visitor, which joins the two with an event `login`; null after a logout. */
  identify(userId: string | null): void
  /** The visitor agreed (true) or refused (false), which also erases what was stored. */
  consent(given: boolean): void
}

/** The global function of the script tag; a command's last argument may be a callback for its result. */
export interface Recom {
  (command: keyof Client, ...args: unknown[]): Promise<unknown> | void
  q?: ArrayLike<unknown>[]
}

declare global {
  interface Window {
    recom?: Recom
  }
}

/** Start the SDK. The first client is the one that the page's widgets use. */
export const init: (options: Options) => Client = (options) => {
  const client = createClient(options)
  defineWidget(client)
  return client
}

/** Where a visitor falls in [0, 1) under a seed, `<tenant>:<experiment>:<phase>`. */
export const bucket: (seed: string, visitorId: string) => number = bucketOf

/** The index of the variant that owns a bucket, or null. */
export const choose: (bucket: number, weights: readonly number[], coverage: number) => number | null = chooseVariant
