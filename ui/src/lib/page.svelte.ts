// Which page is shown: the address's fragment says it.
import { createSubscriber } from 'svelte/reactivity'

export type PageName = 'overview' | 'models' | 'connect' | 'settings'

const NAMED = ['models', 'connect', 'settings'] as const

class PageLocation {
  #subscribe = createSubscriber((update) => {
    window.addEventListener('hashchange', update)
    return () => window.removeEventListener('hashchange', update)
  })

  get name(): PageName {
    this.#subscribe()
    const fragment = new URLSearchParams(window.location.hash.slice(1))
    return NAMED.find((name) => fragment.has(name)) ?? 'overview'
  }
}

export const page = new PageLocation()
