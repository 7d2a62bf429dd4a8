// Numbers, times and sentences as a person writes them, in the person's locale. Pure.

/** Undefined means the person's own; tests name one. */
export type Locale = string | undefined

/** What the engine says, as a sentence of its own. A first word that is a name or a path stays as it is written. */
export function sentence(said: string): string {
  const first = /^\S*/.exec(said)?.[0] ?? ''
  const begun = /^[a-z]+$/.test(first) ? said.charAt(0).toUpperCase() + said.slice(1) : said
  return begun === '' || /[.?!…]$/.test(begun) ? begun : `${begun}.`
}

/** What stands where a number is not known. */
export const UNKNOWN = '–'

/**
 * Tokens as people write them: `196k`, `8k`, `1M`. 196608 is 192 × 1024, and the vendors' "196k" is thousands. The
 * status line, which the engine writes, has the same form.
 */
export function tokens(count: number): string {
  if (count >= 1_000_000) {
    const whole = Math.floor(count / 1_000_000)
    return count % 1_000_000 === 0 ? `${whole}M` : `${whole}.${Math.floor((count % 1_000_000) / 100_000)}M`
  }
  return count >= 1_000 ? `${Math.floor(count / 1_000)}k` : String(count)
}

/** A count with the locale's grouping: `12,040`. */
export function count(value: number, locale?: Locale): string {
  return new Intl.NumberFormat(locale).format(value)
}

/** A measured time of milliseconds: `840 ms`, `3.2 s`, `2 min 5 s`, `1 h 3 min`. */
export function duration(milliseconds: number, locale?: Locale): string {
  const ms = Math.max(0, milliseconds)
  if (ms < 999.5) return `${Math.round(ms)} ms`
  if (ms < 59_950) {
    const seconds = new Intl.NumberFormat(locale, { minimumFractionDigits: 1, maximumFractionDigits: 1 }).format(ms / 1_000)
    return `${seconds} s`
  }
  const seconds = Math.round(ms / 1_000)
  if (seconds < 3_600) return parts(Math.floor(seconds / 60), 'min', seconds % 60, 's')
  const minutes = Math.round(seconds / 60)
  return parts(Math.floor(minutes / 60), 'h', minutes % 60, 'min')
}

/** A time that is still running, in whole seconds: `12 s`, `2 min 5 s`. Never below zero, whatever the clocks say. */
export function elapsed(milliseconds: number): string {
  const seconds = Math.max(0, Math.floor(milliseconds / 1_000))
  return seconds < 60 ? `${seconds} s` : duration(seconds * 1_000)
}

/** US$. Small amounts keep two significant digits, so that a request does not look free when it was not. */
export function cost(dollars: number, locale?: Locale): string {
  const money = (digits: Intl.NumberFormatOptions) =>
    new Intl.NumberFormat(locale, { style: 'currency', currency: 'USD', currencyDisplay: 'narrowSymbol', ...digits }).format(dollars)
  if (dollars !== 0 && Math.abs(dollars) < 0.1) return money({ minimumSignificantDigits: 2, maximumSignificantDigits: 2 })
  return money({})
}

/** The time of a day that is today, and the day too when it is another one. */
export function moment(at: number, now: number, locale?: Locale): string {
  const then = new Date(at)
  const sameDay = then.toDateString() === new Date(now).toDateString()
  return sameDay
    ? then.toLocaleTimeString(locale, { timeStyle: 'medium' })
    : then.toLocaleString(locale, { month: 'short', day: 'numeric', hour: '2-digit', minute: '2-digit' })
}

/** The full date and time, for a tooltip. */
export function fullMoment(at: number, locale?: Locale): string {
  return new Date(at).toLocaleString(locale, { dateStyle: 'full', timeStyle: 'medium' })
}

/** The same text, with a number kept on the line of its unit and a dot at the end of a line, not at its start. */
export function keepTogether(text: string): string {
  return text.replace(/(\d) (ms|s|min|h)\b/g, '$1\u00a0$2').replaceAll(' · ', '\u00a0· ')
}

function parts(large: number, largeUnit: string, small: number, smallUnit: string): string {
  return small === 0 ? `${large} ${largeUnit}` : `${large} ${largeUnit} ${small} ${smallUnit}`
}
