// Which page is shown: the address's fragment says it.
import { createSubscriber } from 'svelte/reactivity'

export type PageName = 'overview' | 'models'

class PageLocation {
  #subscribe = createSubscriber((update) => {
    window.addEventListener('hashchange', update)
    return () => window.removeEventListener('hashchange', update)
  })

  get name(): PageName {
    this.#subscribe()
    return new URLSearchParams(window.location.hash.slice(1)).has('models') ? 'models' : 'overview'
  }
}

export const page = new PageLocation()
