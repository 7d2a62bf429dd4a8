// The time of day as something a component can depend on. It ticks only while something on the page shows it.
import { createSubscriber } from 'svelte/reactivity'

const TICK = 1_000

class Clock {
  #subscribe = createSubscriber((update) => {
    const timer = setInterval(update, TICK)
    return () => clearInterval(timer)
  })

  /** Unix time in milliseconds; read where it is drawn, it is drawn again each second. */
  get now(): number {
    this.#subscribe()
    return Date.now()
  }
}

export const clock = new Clock()
