/**
 * When a card counts as seen: half of it in view on a visible page for one second without a break, and once.
 *
 * Source: the Media Rating Council's viewability rule for display.
 */

const SECOND = 1_000

export interface Watch {
  add(card: Element, seen: () => void): void
  stop(): void
}

export function watchCards(): Watch {
  const timers = new Map<Element, ReturnType<typeof setTimeout>>()
  const inView = new Set<Element>()
  const callbacks = new Map<Element, () => void>()
  if (typeof IntersectionObserver !== 'function') return { add: () => {}, stop: () => {} }

  const observer = new IntersectionObserver(
    (entries) => {
      for (const { target, intersectionRatio } of entries) {
        if (intersectionRatio >= 0.5) inView.add(target)
        else inView.delete(target)
        restart(target)
      }
    },
    { threshold: 0.5 },
  )

  function restart(card: Element): void {
    clearTimeout(timers.get(card))
    timers.delete(card)
    if (!inView.has(card) || document.visibilityState !== 'visible') return
    timers.set(
      card,
      setTimeout(() => {
        observer.unobserve(card)
        inView.delete(card)
        callbacks.get(card)?.()
      }, SECOND),
    )
  }

  const visibilityChanged = () => inView.forEach(restart)
  document.addEventListener('visibilitychange', visibilityChanged)

  return {
    add(card, seen) {
      callbacks.set(card, seen)
      observer.observe(card)
    },
    stop() {
      observer.disconnect()
      document.removeEventListener('visibilitychange', visibilityChanged)
      timers.forEach((timer) => clearTimeout(timer))
    },
  }
}
