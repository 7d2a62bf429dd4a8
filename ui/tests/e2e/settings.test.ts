// The Settings page in Chromium: by keyboard alone, what is refused, in every look, with nothing that axe objects to.
// Leaves a picture of each in test-results/.
import type { Browser } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import * as states from '../fixtures/states'
import { launch, open, RESULTS, violations, type Look } from './browser'
import { EngineDouble } from './engine-double'

const LOOKS: Look[] = [
  { width: 1000, scheme: 'light' },
  { width: 1000, scheme: 'dark' },
  { width: 640, scheme: 'light' },
  { width: 640, scheme: 'dark' },
  { width: 380, scheme: 'light' },
]
const WEEK = { days: ['mon', 'tue', 'wed', 'thu', 'fri'], from: '08:00', to: '18:00' }

let browser: Browser

beforeAll(async () => {
  browser = await launch()
})
afterAll(() => browser?.close())

test('by the keyboard alone: a kind off, its default again, quiet hours, a policy with a schedule, a limit', async () => {
  const engine = await EngineDouble.start(states.warm())
  const { page, complaints } = await open(browser, engine.page)
  await page.getByRole('link', { name: 'Settings' }).focus()
  await page.keyboard.press('Enter')

  const unloaded = page.getByRole('switch', { name: 'A local model was unloaded' })
  await unloaded.focus()
  await page.keyboard.press('Space')
  await page.getByText('A local model was unloaded: saved.').waitFor()
  expect(engine.settings.file.notifications?.unloaded).toBe(false)
  await expect.poll(() => unloaded.isChecked()).toBe(false)
  await page.getByRole('button', { name: 'Use the default for A local model was unloaded' }).focus()
  await page.keyboard.press('Enter')
  await page.getByText('A local model was unloaded: the default.').waitFor()
  await expect.poll(() => unloaded.isChecked()).toBe(true)
  await expect.poll(() => unloaded.evaluate((one) => one === document.activeElement), { message: 'the focus stays in the row' }).toBe(true)

  await page.getByRole('switch', { name: 'Quiet hours' }).focus()
  await page.keyboard.press('Space')
  const hours = page.getByRole('group', { name: 'Quiet hours' })
  await hours.getByLabel('From').focus()
  await page.keyboard.press('ControlOrMeta+a')
  await page.keyboard.type('23:30')
  await page.keyboard.press('Enter')
  await expect.poll(() => engine.settings.file.notifications?.quiet).toEqual({ from: '23:30', to: '07:00' })

  const policy = page.getByRole('combobox', { name: 'Qwen3 8B' })
  await policy.focus()
  await policy.selectOption('On a schedule')
  const window = page.getByRole('group', { name: 'Window of Qwen3 8B' })
  await window.getByRole('checkbox', { name: 'Saturday' }).focus()
  await page.keyboard.press('Space')
  await expect
    .poll(() => (engine.settings.file.models?.[states.QWEN] as { keepWarm: unknown }).keepWarm)
    .toEqual([{ ...WEEK, days: [...WEEK.days, 'sat'] }])

  await page.getByRole('textbox', { name: 'Most memory' }).focus()
  await page.keyboard.press('ControlOrMeta+a')
  await page.keyboard.type('64')
  await page.keyboard.press('Tab')
  await expect.poll(() => engine.settings.file.keeper?.maxMemory).toBe('64GB')
  await expect.poll(() => page.getByRole('textbox', { name: 'Most memory' }).inputValue()).toBe('64GB')
  expect(complaints).toEqual([])
  await page.context().close()
  await engine.goAway()
})

test('what is refused stays to be mended, and says why; Escape gives back what holds', async () => {
  const engine = await EngineDouble.start(states.warm())
  const before = structuredClone(engine.settings.file)
  const { page } = await open(browser, `${engine.page}&settings`)
  const poll = page.getByRole('textbox', { name: 'Look every' })
  await poll.fill('soon')
  await poll.press('Enter')
  await page.getByRole('alert').getByText('is no length of time').waitFor()
  await expect.poll(() => poll.inputValue()).toBe('soon')
  await expect.poll(() => poll.getAttribute('aria-invalid')).toBe('true')
  expect(await violations(page)).toEqual([])
  await poll.press('Escape')
  await expect.poll(() => poll.inputValue()).toBe('5s')
  await page.getByRole('alert').waitFor({ state: 'detached' })
  expect(engine.settings.file).toEqual(before)
  await page.context().close()
  await engine.goAway()
})

test('what was changed in the file meanwhile is seen when the window comes back', async () => {
  const engine = await EngineDouble.start(states.warm())
  const { page } = await open(browser, `${engine.page}&settings`)
  const poll = page.getByRole('textbox', { name: 'Look every' })
  await poll.waitFor()
  engine.settings.file.keeper = { poll: '2s' }
  await page.evaluate(() => window.dispatchEvent(new Event('focus')))
  await expect.poll(() => poll.inputValue()).toBe('2s')
  await page.context().close()
  await engine.goAway()
})

describe.each(LOOKS)('$width wide, $scheme', (look) => {
  test.each(['plain', 'set', 'broken'])('%s', async (name) => {
    const engine = await EngineDouble.start(states.warm())
    const { path, file } = { path: 'keeper.poll', file: '/home/me/.config/pilotlight/settings.json5' }
    if (name === 'set') {
      engine.settings.file = {
        notifications: { cut: false, quiet: { from: '22:00', to: '07:00' } },
        keeper: { maxModels: 2 },
        models: {
          [states.QWEN]: { keepWarm: [WEEK, { days: ['sat'], from: '20:00', to: '02:00', timeZone: 'Europe/Berlin' }] },
          'studio/gone': { keepWarm: 'always' },
        },
      }
    } else if (name === 'broken') {
      const message = '"often" is no length of time: write it like "500ms", "5s", "2m" or "1h".'
      engine.settings.problems = [{ severity: 'error', code: 'bad-duration', file, path, line: 4, column: 19, message }]
    }
    const { page, complaints } = await open(browser, `${engine.page}&settings`, look)
    await page.getByRole('heading', { name: 'Everything else' }).waitFor()
    await page.screenshot({ path: `${RESULTS}settings-${name}-${look.width}-${look.scheme}.png`, fullPage: true })
    expect(await violations(page)).toEqual([])
    await expect.poll(() => page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth)).toBe(0)
    await expect.poll(() => page.getByRole('switch', { name: 'Quiet hours' }).isDisabled()).toBe(name === 'broken')
    expect(complaints).toEqual([])
    await page.context().close()
    await engine.goAway()
  })
})
