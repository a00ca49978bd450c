/** `<recom-widget placement="pdp" item="SKU1" limit="6">`: a slate in a shadow tree, its impressions and clicks. */

import { renderSlate } from './cards'
import type { Config, WidgetClient } from './client'
import { warn } from './http'
import { watchCards, type Watch } from './impressions'
import type { Query, Recommended, Slate } from './recom'
import { CSS } from './styles'

const NAME = 'recom-widget'

/** Register the element for a client; without effect on servers and where it is registered already. */
export function defineWidget(client: WidgetClient): void {
  if (typeof customElements === 'undefined' || customElements.get(NAME)) return
  let sheet: CSSStyleSheet | undefined

  class RecomWidget extends HTMLElement {
    private turn = 0
    private watch: Watch | undefined

    static get observedAttributes(): string[] {
      return ['placement', 'item', 'items', 'limit', 'heading', 'link']
    }

    connectedCallback(): void {
      void this.load()
    }

    disconnectedCallback(): void {
      this.turn++
      this.watch?.stop()
    }

    attributeChangedCallback(): void {
      if (this.isConnected) void this.load()
    }

    /** Attributes that change together load once, and only the last load shows. */
    private async load(): Promise<void> {
      const turn = ++this.turn
      await Promise.resolve()
      if (turn !== this.turn) return
      try {
        const [slate, config] = await Promise.all([client.recommend(this.query()), client.config()])
        if (turn === this.turn) this.show(slate, config)
      } catch (error) {
        warn((error as Error).message)
        if (turn === this.turn) this.setAttribute('state', 'error')
      }
    }

    private query(): Query {
      const items = this.getAttribute('items')
      return {
        placement: this.getAttribute('placement') || undefined,
        items: items ? (JSON.parse(items) as string[]) : this.getAttribute('item') || undefined,
        limit: Number(this.getAttribute('limit')) || undefined,
      }
    }

    private show(slate: Slate, config: Config): void {
      const root = this.shadowRoot ?? this.attachShadow({ mode: 'open' })
      if ('adoptedStyleSheets' in root) root.adoptedStyleSheets = [(sheet ??= makeSheet())]
      this.watch?.stop()
      const watch = (this.watch = watchCards())
      const heading = this.getAttribute('heading')
      const name = config.placements?.find(({ key }) => key === slate.placement)?.name
      const wording = { heading, label: heading || name || slate.placement, link: this.getAttribute('link') }
      const [section, cards] = renderSlate(slate, config, wording)
      root.replaceChildren(...(cards.length ? [section] : []))
      for (const [card, item] of cards) {
        watch.add(card, () => client.track('impression', shown(slate, item)))
        const clicked = (event: MouseEvent) => this.clicked(event, slate, item)
        card.querySelector('a')?.addEventListener('click', clicked)
        card.querySelector('a')?.addEventListener('auxclick', clicked)
      }
      this.setAttribute('state', cards.length ? 'ready' : 'empty')
      this.dispatchEvent(new CustomEvent('recom:load', { bubbles: true, composed: true, detail: slate }))
    }

    /** A shop that routes by itself listens to `recom:click` and prevents it. */
    private clicked(event: MouseEvent, slate: Slate, item: Recommended): void {
      if (event.type === 'auxclick' && event.button !== 1) return
      client.trackNow('click', shown(slate, item))
      const announced = new CustomEvent('recom:click', { bubbles: true, composed: true, cancelable: true, detail: item })
      if (!this.dispatchEvent(announced)) event.preventDefault()
    }
  }

  customElements.define(NAME, RecomWidget)
}

function shown(slate: Slate, item: Recommended) {
  const { recommendation_id, placement } = slate
  return { item_id: item.item_id, position: item.position, recommendation_id, placement }
}

/** A constructed sheet is no inline style, whatever the page's policy. */
function makeSheet(): CSSStyleSheet {
  const sheet = new CSSStyleSheet()
  sheet.replaceSync(CSS)
  return sheet
}
