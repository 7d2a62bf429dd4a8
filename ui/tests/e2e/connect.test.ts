// The Connect page in Chromium: by keyboard alone, in every look, with nothing that axe objects to. Leaves a picture of
// each in test-results/.
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

let browser: Browser

beforeAll(async () => {
  browser = await launch()
})
afterAll(() => browser?.close())

test('by the keyboard alone: the difference, connecting with its result, and the way back', async () => {
  const engine = await EngineDouble.start(states.warm())
  const { page, complaints } = await open(browser, engine.page)
  await page.getByRole('link', { name: 'Connect' }).focus()
  await page.keyboard.press('Enter')
  const codex = page.getByRole('article', { name: 'Codex', exact: true })
  const status = codex.getByRole('status')
  await codex.getByRole('button', { name: 'Show the difference' }).focus()
  await page.keyboard.press('Enter')
  await codex.getByRole('region', { name: 'What connecting Codex changes' }).waitFor()
  expect(engine.connections.applied).toEqual([])
  await codex.getByRole('button', { name: 'Connect Codex' }).focus()
  await page.keyboard.press('Enter')
  await status.getByText('It works: lmstudio/minimax-m2.1-gs32 answered in 0.8 s.').waitFor()
  await codex.getByRole('button', { name: 'Disconnect' }).focus()
  await page.keyboard.press('Enter')
  await status.getByText('Codex is disconnected.').waitFor()
  expect(engine.connections.applied.map((request) => request.disconnect)).toEqual([false, true])
  expect(complaints).toEqual([])
  await page.context().close()
  await engine.goAway()
})

test('a refusal of the engine is shown where it was asked', async () => {
  const engine = await EngineDouble.start(states.warm())
  engine.connections.refusal = '/home/me/.codex/config.toml cannot be edited: it is no TOML'
  const { page } = await open(browser, `${engine.page}&connect`)
  await page.getByRole('button', { name: 'Connect Codex' }).click()
  await page.getByRole('article', { name: 'Codex', exact: true }).getByText('cannot be edited').waitFor()
  await page.context().close()
  await engine.goAway()
})

describe.each(LOOKS)('$width wide, $scheme', (look) => {
  test.each(['plain', 'difference', 'connected'])('%s', async (name) => {
    const engine = await EngineDouble.start(states.warm())
    const { page, complaints } = await open(browser, `${engine.page}&connect`, look)
    await page.getByRole('heading', { level: 1, name: 'Connect' }).waitFor()
    const codex = page.getByRole('article', { name: 'Codex', exact: true })
    if (name === 'difference') {
      await codex.getByRole('button', { name: 'Show the difference' }).click()
      await codex.getByRole('region').waitFor()
    } else if (name === 'connected') {
      await codex.getByRole('button', { name: 'Connect Codex' }).click()
      await codex.getByText('It works').waitFor()
    } else {
      await codex.waitFor()
    }
    await page.screenshot({ path: `${RESULTS}connect-${name}-${look.width}-${look.scheme}.png`, fullPage: true })
    expect(await violations(page)).toEqual([])
    await expect.poll(() => page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth)).toBe(0)
    expect(complaints).toEqual([])
    await page.context().close()
    await engine.goAway()
  })
})
