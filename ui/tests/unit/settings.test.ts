// The Settings page as a person or a screen reader finds it, and what its forms stand for in the file.
import { flushSync, mount, unmount } from 'svelte'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { ScheduleWindow } from '../../src/lib/bindings/ScheduleWindow'
import { Session } from '../../src/lib/session.svelte'
import Settings from '../../src/lib/settings/Settings.svelte'
import { SettingsEditor } from '../../src/lib/settings/settings.svelte'
import { amountInFile, beginsOn, countInFile, heldWords, overMidnight, tokenWords, windowInFile, withDay } from '../../src/lib/settings/words'
import * as states from '../fixtures/states'
import { SettingsDouble } from '../fixtures/settings'
import { FakeBackend } from './fake-backend'

const squeeze = (element: Element | null | undefined) => (element?.textContent ?? '').replace(/\s+/g, ' ').trim()
const settle = async () => {
  for (let turn = 0; turn < 20; turn += 1) await Promise.resolve()
  flushSync()
}

describe('the page', () => {
  let backend: FakeBackend
  let page: Record<string, unknown> | undefined

  const row = (setting: string) => document.querySelector<HTMLElement>(`[data-setting="${setting}"]`)!
  const input = (setting: string) => row(setting).querySelector('input')!
  const type = async (setting: string, text: string) => {
    input(setting).value = text
    input(setting).dispatchEvent(new Event('change', { bubbles: true }))
    await settle()
  }
  const last = () => backend.ours.asked.at(-1)

  beforeEach(async () => {
    backend = new FakeBackend()
    const session = new Session(backend)
    session.start()
    backend.publish(states.warm())
    page = mount(Settings, { target: document.body, props: { session } })
    flushSync()
    await settle()
  })
  afterEach(async () => {
    if (page) await unmount(page)
  })

  test('each kind of notification: on or off, and whether the file says so', () => {
    const switches = [...document.querySelectorAll<HTMLInputElement>('[role=switch]')]
    expect(switches.map((one) => squeeze(document.querySelector(`label[for="${one.id}"]`)))).toEqual([
      'A local model was unloaded',
      'A local model is back',
      'A hosted model answers instead',
      'A load failed',
      'A file has a mistake',
      'A key was refused',
      'An answer broke off',
      'Quiet hours',
    ])
    expect(switches.map((one) => one.checked)).toEqual([true, false, true, true, true, true, true, false])
    expect(squeeze(row('notifications.unloaded').querySelector('.origin'))).toBe('default')
    expect(squeeze(row('notifications.back').querySelector('.origin'))).toBe('in the file')
  })

  test('a switch sets its key; where that is refused it stands as it was and says why', async () => {
    input('notifications.unloaded').click()
    await settle()
    expect(last()).toEqual({ path: ['notifications', 'unloaded'], value: false })
    expect(squeeze(document.querySelector('[role=status]'))).toBe('A local model was unloaded: saved.')
    backend.ours.problems = [{ severity: 'error', code: 'syntax', file: '/s.json5', path: '', line: 3, column: 5, message: 'Expected a comma.' }]
    input('notifications.hosted').click()
    await settle()
    expect(input('notifications.hosted').checked).toBe(true)
    expect(squeeze(row('notifications.hosted').querySelector('[role=alert]'))).toContain('/s.json5:3:5')
    expect(input('notifications.hosted').closest('fieldset')!.disabled, 'nothing can be set until it is mended').toBe(true)
    expect(squeeze(document.querySelector('.notice'))).toContain('Expected a comma.')
  })

  test('the default again takes the key out of the file', async () => {
    row('notifications.back').querySelector('button')!.click()
    await settle()
    expect(last()).toEqual({ path: ['notifications', 'back'], value: null })
    expect(input('notifications.back').checked).toBe(true)
  })

  test('quiet hours, off and on again, are the hours they were', async () => {
    input('notifications.quiet').click()
    await settle()
    expect(last()?.value).toEqual({ from: '22:00', to: '07:00' })
    const from = document.querySelector<HTMLInputElement>('.hours input')!
    from.value = '23:15'
    from.dispatchEvent(new Event('change', { bubbles: true }))
    await settle()
    expect(last()?.value).toEqual({ from: '23:15', to: '07:00' })
    expect(squeeze(document.querySelector('.hours p'))).toBe('Over midnight, by this machine’s clock.')
    input('notifications.quiet').click()
    await settle()
    expect(last()?.value).toBeNull()
    input('notifications.quiet').click()
    await settle()
    expect(last()?.value).toEqual({ from: '23:15', to: '07:00' })
  })

  test('limits: a number alone is gigabytes, nothing is any, and what is refused stays to be mended', async () => {
    await type('keeper.maxMemory', '64')
    expect([last()?.value, input('keeper.maxMemory').value]).toEqual(['64GB', '64GB'])
    await type('keeper.maxMemory', '')
    expect([last()?.value, input('keeper.maxMemory').value]).toEqual([null, ''])
    await type('keeper.maxModels', '2')
    expect(last()?.value).toBe(2)
    await type('keeper.maxModels', 'two')
    expect(input('keeper.maxModels').value).toBe('two')
    expect(squeeze(row('keeper.maxModels').querySelector('[role=alert]'))).toContain('Nothing was written.')
    input('keeper.maxModels').dispatchEvent(new KeyboardEvent('keydown', { key: 'Escape', bubbles: true }))
    await settle()
    expect([input('keeper.maxModels').value, row('keeper.maxModels').querySelector('[role=alert]')]).toEqual(['2', null])
  })

  test('a policy is chosen, and its schedule edited window by window', async () => {
    const model = () => row(`models.${states.QWEN}`)
    const choose = async (value: string) => {
      const select = model().querySelector('select')!
      select.value = value
      select.dispatchEvent(new Event('change', { bubbles: true }))
      await settle()
    }
    await choose('always')
    expect(last()).toEqual({ path: ['models', states.QWEN, 'keepWarm'], value: 'always' })
    await choose('schedule')
    const week = { days: ['mon', 'tue', 'wed', 'thu', 'fri'], from: '08:00', to: '18:00' }
    expect(last()?.value).toEqual([week])
    expect(model().querySelector('[aria-label^=Remove]'), 'the last window is not removed').toBeNull()
    model().querySelector<HTMLButtonElement>('.add')!.click()
    await settle()
    expect(last()?.value).toEqual([week, week])
    model().querySelectorAll<HTMLInputElement>('.window:last-of-type [type=checkbox]')[0]!.click()
    await settle()
    expect(last()?.value).toEqual([week, { ...week, days: ['tue', 'wed', 'thu', 'fri'] }])
    model().querySelector<HTMLButtonElement>('[aria-label="Remove the window of Qwen3 8B, window 1"]')!.click()
    await settle()
    expect(last()?.value).toEqual([{ ...week, days: ['tue', 'wed', 'thu', 'fri'] }])
  })

  test('the file of all the rest, and what is asked of clients', () => {
    expect(squeeze(document.querySelector('.file'))).toContain('/home/me/.config/pilotlight/settings.json5')
    expect(document.querySelector('[aria-label="Copy the path of the settings file"]')).not.toBeNull()
    expect(document.body.textContent).toContain('A token is asked for: the one that was made at the first run.')
  })
})

test('an answer from before a change does not undo what is shown of it', async () => {
  const double = new SettingsDouble()
  const old = await double.settings()
  let answer: (document: typeof old) => void = () => undefined
  const slow = { settings: () => new Promise<typeof old>((resolve) => (answer = resolve)), settingsSet: double.settingsSet }
  const editor = new SettingsEditor(slow)
  const looked = editor.look()
  expect(await editor.put(['keeper', 'poll'], '2s', 'Look every')).toBe(true)
  answer(old)
  await looked
  expect(editor.document?.poll.value).toBe('2s')
})

test('changes are made one after the other', async () => {
  const double = new SettingsDouble()
  const order: string[] = []
  const editor = new SettingsEditor({
    settings: double.settings,
    settingsSet: async (change) => {
      order.push(`ask ${change.path[1]}`)
      await new Promise((resolve) => setTimeout(resolve, order.length === 1 ? 20 : 0))
      const document = await double.settingsSet(change)
      order.push(`done ${change.path[1]}`)
      return document
    },
  })
  await Promise.all([editor.put(['notifications', 'cut'], false, ''), editor.put(['notifications', 'back'], true, '')])
  expect(order).toEqual(['ask cut', 'done cut', 'ask back', 'done back'])
  expect(editor.document?.notifications.map(({ shown }) => shown.value)).toEqual([true, true, true, true, true, true, false])
})

describe('words', () => {
  const window: ScheduleWindow = { days: ['Mon', 'wed'], from: '8:00', to: '18:00', timeZone: null }

  test('a day is put in its place, or taken out, and the others stay as they are written', () => {
    expect(withDay(window, 'tue', true).days).toEqual(['Mon', 'tue', 'wed'])
    expect(withDay(window, 'sun', true).days).toEqual(['Mon', 'wed', 'sun'])
    expect(withDay(window, 'mon', false).days).toEqual(['wed'])
    expect(withDay({ ...window, days: null }, 'sun', false).days).toEqual(['mon', 'tue', 'wed', 'thu', 'fri', 'sat'])
    expect([beginsOn(window, 'mon'), beginsOn(window, 'tue'), beginsOn({ ...window, days: null }, 'tue')]).toEqual([true, false, true])
  })

  test('what is not said stands nowhere', () => {
    expect(windowInFile(window)).toEqual({ days: ['Mon', 'wed'], from: '8:00', to: '18:00' })
    expect(windowInFile({ ...window, days: null, timeZone: 'Europe/Berlin' })).toEqual({ from: '8:00', to: '18:00', timeZone: 'Europe/Berlin' })
  })

  test('over midnight', () => {
    const over = (from: string, to: string) => overMidnight({ from, to })
    expect([over('22:00', '07:00'), over('8:00', '18:00'), over('08:00', '08:00'), over('20:00', '24:00'), over('x', '1:00')]).toEqual([true, false, true, false, false])
  })

  test('counts and amounts; what is neither is left to the engine', () => {
    expect([countInFile('3'), countInFile('3.5'), countInFile('-1')]).toEqual([3, '3.5', '-1'])
    expect([amountInFile('48'), amountInFile('44.5'), amountInFile('44.5GiB'), amountInFile('lots')]).toEqual(['48GB', '44.5GB', '44.5GiB', 'lots'])
  })

  test('what the keeper does for a model now', () => {
    const policy = { ref: states.QWEN, title: 'Qwen', local: true, policy: { value: { kind: 'always' as const }, from: null } }
    expect(heldWords(policy, states.qwen())).toBe('not held now')
    expect(heldWords(policy, states.qwen({ keptWarm: true }))).toBe('held warm now')
    expect(heldWords(policy, states.qwen({ manageable: false }))).toBe('cannot be loaded from here just now')
    expect(heldWords({ ...policy, local: false }, undefined)).toContain('does nothing')
  })

  test('each way to stand of the token, and never a token', () => {
    expect(tokenWords({ kind: 'variable', name: 'MY_TOKEN' })).toContain('MY_TOKEN')
    expect(tokenWords({ kind: 'none' })).toContain('No token is asked for')
    expect(tokenWords({ kind: 'written' })).toContain('in the settings file')
  })
})
