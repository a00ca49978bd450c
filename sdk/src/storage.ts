/** localStorage that never throws: where it is blocked or full, a value lives as long as the page. */

export interface Store {
  get(name: string): string | null
  set(name: string, value: string): void
  remove(name: string): void
}

export function openStore(prefix: string): Store {
  const memory = new Map<string, string>()
  return {
    get(name) {
      return memory.get(name) ?? attempt(() => localStorage.getItem(prefix + name))
    },
    set(name, value) {
      const written = attempt(() => (localStorage.setItem(prefix + name, value), true))
      if (written) memory.delete(name)
      else memory.set(name, value)
    },
    remove(name) {
      memory.delete(name)
      attempt(() => localStorage.removeItem(prefix + name))
    },
  }
}

function attempt<T>(access: () => T): T | null {
  try {
    return access()
  } catch {
    return null // reading `localStorage` itself throws where the browser blocks it
  }
}
