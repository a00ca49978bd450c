/** A slate as elements. Texts are set as text and addresses are checked, so that a catalogue can carry no code. */

import type { Config } from './client'
import { formatMoney } from './money'
import type { Product, Recommended, Slate } from './recom'

/** What the page says about a widget; `link` leads to products whose catalogue entry has no address. */
export interface Wording {
  heading: string | null
  label: string
  link: string | null
}

/** The section, and each card's list element beside what it shows. */
export function renderSlate(slate: Slate, config: Config, wording: Wording): [Element, [Element, Recommended][]] {
  const { heading, label, link } = wording
  const section = element('section', 'section')
  section.setAttribute('aria-label', label)
  if (heading) section.append(element('h2', 'heading', heading))
  const list = element('ul', 'list')
  list.setAttribute('role', 'list') // Safari forgets it of lists without bullets
  const cards = slate.items.map((item): [Element, Recommended] => [renderCard(item, config, link), item])
  list.append(...cards.map(([card]) => card))
  if (!list.querySelector('a')) list.tabIndex = 0 // the keyboard scrolls by links, where there are any
  section.append(list)
  return [section, cards]
}

function renderCard({ item_id, product }: Recommended, config: Config, link: string | null): Element {
  const entry = element('li', 'item')
  const href = webAddress(product.url || link?.replace('{item_id}', () => encodeURIComponent(item_id)))
  const card = element(href ? 'a' : 'div', 'card')
  if (href) (card as HTMLAnchorElement).href = href
  card.append(renderMedia(product), element('span', 'title', product.title), renderPrice(product, config))
  entry.append(card)
  return entry
}

function renderMedia(product: Product): Element {
  const media = element('span', 'media')
  const initials = element('span', 'initials', initialsOf(product.title))
  initials.setAttribute('aria-hidden', 'true')
  const source = webAddress(product.image_url)
  if (!source) {
    media.append(initials)
    return media
  }
  const image = element('img', 'image') as HTMLImageElement
  image.alt = '' // the title follows
  image.loading = 'lazy'
  image.addEventListener('error', () => image.replaceWith(initials))
  image.src = source
  media.append(image)
  return media
}

function renderPrice(product: Product, config: Config): Element {
  const { price, currency } = product
  const sale = isOnSale(product, Date.now()) ? product.sale_price : null
  const format = (amount: string | null) => formatMoney(amount, currency || config.currency, config.locale)
  const shown = element('span', 'price', format(sale ?? price))
  if (sale && price) shown.append(element('del', 'price-before', format(price)))
  return shown
}

/** Whether the sale price, if there is one, is asked now (in milliseconds); a date that is none does not count. */
export function isOnSale({ sale_starts_at, sale_ends_at }: Product, now: number): boolean {
  return !(now < Date.parse(sale_starts_at ?? '')) && !(now >= Date.parse(sale_ends_at ?? ''))
}

function element(tag: string, name: string, text?: string): HTMLElement {
  const made = document.createElement(tag)
  made.className = name
  made.setAttribute('part', name)
  if (text) made.textContent = text
  return made
}

/** An absolute http(s) address; null for anything else, `javascript:` above all. */
export function webAddress(text: string | null | undefined): string | null {
  if (!text) return null
  try {
    const url = new URL(text, location.href)
    return /^https?:$/.test(url.protocol) ? url.href : null
  } catch {
    return null
  }
}

/** The first characters of the first two words. */
export function initialsOf(title: string): string {
  const words = title.match(/[\p{L}\p{N}]+/gu) ?? []
  return words.slice(0, 2).map((word) => Array.from(word)[0]!.toUpperCase()).join('')
}
