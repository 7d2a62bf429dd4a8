// What the Settings page says, and what a form's text stands for in the file.
import type { ModelPolicy } from '../bindings/ModelPolicy'
import type { ModelSummary } from '../bindings/ModelSummary'
import type { NotificationSwitch } from '../bindings/NotificationSwitch'
import type { Policy } from '../bindings/Policy'
import type { Quiet } from '../bindings/Quiet'
import type { ScheduleWindow } from '../bindings/ScheduleWindow'
import type { TokenStand } from '../bindings/TokenStand'

export const NOTIFICATIONS: Record<NotificationSwitch, { title: string; about: string }> = {
  unloaded: { title: 'A local model was unloaded', about: 'Or its server went away. Says why, as far as that can be told.' },
  back: { title: 'A local model is back', about: 'It is in memory again, and how long that took.' },
  hosted: { title: 'A hosted model answers instead', about: 'Or any other than is expected. Says what it costs.' },
  loadFailed: { title: 'A load failed', about: 'Or was given up, since the model would not stay.' },
  configuration: { title: 'A file has a mistake', about: 'The configuration or these settings, with line and column; and when they are good again.' },
  keyRefused: { title: 'A key was refused', about: 'Or no credit is left with its provider.' },
  cut: { title: 'An answer broke off', about: 'After content had been sent, so that nobody else could be asked.' },
}

export type PolicyKind = Policy['kind']

export const POLICIES: { value: PolicyKind; title: string }[] = [
  { value: 'chain', title: 'While it is first in the chain' },
  { value: 'always', title: 'Always' },
  { value: 'schedule', title: 'On a schedule' },
  { value: 'never', title: 'Never' },
]

export const POLICY_WORDS: Record<PolicyKind, string> = {
  chain: 'Kept warm while it is the first local model of the chain.',
  always: 'Loaded again whenever it goes.',
  schedule: 'Kept warm in these windows.',
  never: 'Loaded when a request or a person asks for it.',
}

export const DAYS: { value: string; short: string; title: string }[] = [
  { value: 'mon', short: 'Mo', title: 'Monday' },
  { value: 'tue', short: 'Tu', title: 'Tuesday' },
  { value: 'wed', short: 'We', title: 'Wednesday' },
  { value: 'thu', short: 'Th', title: 'Thursday' },
  { value: 'fri', short: 'Fr', title: 'Friday' },
  { value: 'sat', short: 'Sa', title: 'Saturday' },
  { value: 'sun', short: 'Su', title: 'Sunday' },
]

/** What a schedule begins with. */
export const WORKING_WEEK: ScheduleWindow = { days: ['mon', 'tue', 'wed', 'thu', 'fri'], from: '08:00', to: '18:00', timeZone: null }
/** What quiet hours begin with. */
export const NIGHT: Quiet = { from: '22:00', to: '07:00' }

/** What the keeper does for a model just now. */
export function heldWords(model: ModelPolicy, summary: ModelSummary | undefined): string {
  if (!model.local || !summary) return 'no local model of the configuration, so this does nothing'
  if (summary.keptWarm) return 'held warm now'
  if (!summary.manageable) return 'cannot be loaded from here just now'
  return 'not held now'
}

/** Minutes since midnight; none where it is no time of day. */
function minutes(time: string): number | null {
  const read = /^(\d{1,2}):(\d{2})$/.exec(time.trim())
  return read ? Number(read[1]) * 60 + Number(read[2]) : null
}

/** Where it ends on the next day: says so. */
export function overMidnight({ from, to }: { from: string; to: string }): boolean {
  const [begins, ends] = [minutes(from), minutes(to)]
  return begins !== null && ends !== null && ends <= begins
}

/** Whether a window begins on this day. */
export function beginsOn(window: ScheduleWindow, day: string): boolean {
  return window.days === null || window.days.some((one) => one.toLowerCase() === day)
}

/** The window with a day put in or taken out; the other days stay as they are written. */
export function withDay(window: ScheduleWindow, day: string, on: boolean): ScheduleWindow {
  const order = (one: string) => DAYS.findIndex(({ value }) => value === one.toLowerCase())
  const written = window.days ?? DAYS.map(({ value }) => value)
  if (!on) return { ...window, days: written.filter((one) => one.toLowerCase() !== day) }
  const at = written.findIndex((one) => order(one) > order(day))
  return { ...window, days: written.toSpliced(at < 0 ? written.length : at, 0, day) }
}

/** A window as it stands in the file. */
export function windowInFile({ days, from, to, timeZone }: ScheduleWindow): Record<string, unknown> {
  return { ...(days && { days }), from, to, ...(timeZone !== null && { timeZone }) }
}

/** A count as it stands in the file; a text that is none is left to the engine to refuse. */
export function countInFile(text: string): number | string {
  return /^\d{1,9}$/.test(text) ? Number(text) : text
}

/** An amount of memory as it stands in the file: a number alone means gigabytes. */
export function amountInFile(text: string): string {
  return /^\d+(\.\d+)?$/.test(text) ? `${text}GB` : text
}

/** What clients must show. */
export function tokenWords(token: TokenStand): string {
  switch (token.kind) {
    case 'made':
      return 'A token is asked for: the one that was made at the first run.'
    case 'written':
      return 'A token is asked for: the one in the settings file.'
    case 'variable':
      return `A token is asked for: the one in the variable ${token.name}.`
    case 'none':
      return 'No token is asked for, so every program of this machine can use your keys through Pilot Light.'
  }
}
