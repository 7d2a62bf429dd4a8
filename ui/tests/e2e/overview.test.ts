// What a person does on the Overview, and what it shows while the engine changes: in Chromium, over HTTP.
import type { Browser, Page } from 'playwright-core'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import type { ModelState } from '../../src/lib/bindings/ModelState'
import * as states from '../fixtures/states'
import { launch, open, RESULTS, violations } from './browser'
import { EngineDouble } from './engine-double'

let browser: Browser
let engine: EngineDouble
let page: Page
let complaints: string[]

beforeAll(async () => {
  browser = await launch()
})
afterAll(() => browser?.close())

beforeEach(async () => {
  engine = await EngineDouble.start(states.warm())
  ;({ page, complaints } = await open(browser, engine.page))
  await page.getByRole('heading', { level: 1, name: engine.state.status }).waitFor()
})
afterEach(async () => {
  await page.context().close()
  await engine.goAway()
})

const row = (ref: string) => page.locator(`[data-ref="${ref}"]`)
const primary = (ref: string) => row(ref).getByRole('radio')
const eventually = (read: () => Promise<unknown>, value: unknown) => expect.poll(read).toEqual(value)

/** What the engine does when it makes a model the primary: it takes the old one's place in the chain. */
function use(model: string) {
  const rest = engine.state.chain.slice(1).filter((ref) => ref !== model)
  const one = engine.state.models.find((candidate) => candidate.ref === model)
  engine.state = {
    ...engine.state,
    chain: [model, ...rest],
    light: one?.location === 'hosted' ? 'hosted' : 'warm',
    status: `${one?.alias ?? one?.name} · now`,
  }
}

function becomes(ref: string, state: ModelState) {
  engine.state = { ...engine.state, models: engine.state.models.map((model) => (model.ref === ref ? { ...model, state } : model)) }
}

describe('making a model the primary', () => {
  test('by a click: the engine is told, and what it then says is shown', async () => {
    engine.onCommand = ({ model }) => use(model)
    await primary(states.OPUS).check()
    await page.getByRole('heading', { level: 1, name: 'Opus · now' }).waitFor()
    expect(engine.commands).toEqual([{ name: 'use', model: states.OPUS }])
    await eventually(() => primary(states.OPUS).isChecked(), true)
    await expect.poll(() => page.locator('.chain h3 .title').allTextContents()).toEqual(['Opus'])
    await expect.poll(() => page.locator('.others h3 .title').allTextContents()).toEqual(['MiniMax', 'Qwen3 8B', 'GLM'])
    await expect.poll(() => primary(states.OPUS).evaluate((element) => element === document.activeElement)).toBe(true)
  })

  test('by the keyboard: arrows only move, Space chooses', async () => {
    engine.onCommand = ({ model }) => use(model)
    await primary(states.MINIMAX).focus()
    await page.keyboard.press('ArrowDown')
    await page.keyboard.press('ArrowDown')
    await expect.poll(() => primary(states.QWEN).evaluate((element) => element === document.activeElement)).toBe(true)
    await expect.poll(() => primary(states.MINIMAX).isChecked()).toBe(true)
    expect(engine.commands).toEqual([])
    await page.keyboard.press('Space')
    await eventually(() => Promise.resolve(engine.commands), [{ name: 'use', model: states.QWEN }])
    await page.locator('.chain').getByText('Qwen3 8B').waitFor()
    await eventually(() => primary(states.QWEN).isChecked(), true)
    await expect.poll(() => primary(states.QWEN).evaluate((element) => element === document.activeElement)).toBe(true)
  })

  test('refused: says why, and the choice goes back', async () => {
    engine.onCommand = () => Promise.reject({ code: 'read-only', message: 'OPENCLAW_CONFIG_READONLY is set, so the file is not written.' })
    await primary(states.OPUS).click()
    const alert = page.getByRole('alert')
    await alert.waitFor()
    await expect.poll(() => alert.innerText()).toContain('Opus was not made the primary')
    await expect.poll(() => alert.innerText()).toContain('OPENCLAW_CONFIG_READONLY')
    await eventually(() => primary(states.MINIMAX).isChecked(), true)
    expect(await violations(page)).toEqual([])
    await page.screenshot({ path: `${RESULTS}refused.png` })
    await page.getByRole('button', { name: 'Dismiss' }).click()
    await expect.poll(() => alert.count()).toBe(0)
  })
})

test('loading: the bar moves with the clock, and the button says what is going on', async () => {
  let loaded = () => {}
  engine.onCommand = async ({ model }) => {
    becomes(model, { kind: 'loading', since: Date.now(), expected: 10_000 })
    await new Promise<void>((resolve) => (loaded = resolve))
    becomes(model, { kind: 'warm', since: Date.now() })
  }
  const button = row(states.QWEN).getByRole('button')
  await button.click()
  await eventually(() => button.innerText(), 'Loading…')
  const bar = row(states.QWEN).getByRole('progressbar')
  const at = async () => Number(await bar.getAttribute('aria-valuenow'))
  const first = await at()
  await expect.poll(at).toBeGreaterThanOrEqual(first + 10)
  await button.click({ force: true })
  expect(engine.commands).toEqual([{ name: 'load', model: states.QWEN }])
  loaded()
  await row(states.QWEN).getByText('warm').waitFor()
  await eventually(() => button.innerText(), 'Unload')
  await expect.poll(() => bar.count()).toBe(0)
})

test('unloading, and an unload that is refused', async () => {
  const button = row(states.MINIMAX).getByRole('button')
  engine.onCommand = () => Promise.reject({ code: 'busy', message: 'It is answering a request.' })
  await button.click()
  await page.getByText('It is answering a request.').waitFor()
  engine.onCommand = ({ model }) => becomes(model, { kind: 'cold', reason: 'unloaded here' })
  await button.click()
  await row(states.MINIMAX).getByText('cold: unloaded here').waitFor()
  await eventually(() => button.innerText(), 'Load')
  expect(engine.commands.map((command) => command.name)).toEqual(['unload', 'unload'])
  await expect.poll(() => page.getByRole('alert').count()).toBe(0)
})

test('a lost connection: says so, keeps what was known, takes no command, and comes back by itself', async () => {
  await engine.goAway()
  await page.getByText('Not connected to Pilot Light').first().waitFor()
  await page.getByText('Below is what was last known.').waitFor()
  await expect.poll(() => primary(states.OPUS).isDisabled()).toBe(true)
  await expect.poll(() => page.title()).toBe('Pilot Light')
  expect(await violations(page)).toEqual([])
  await page.screenshot({ path: `${RESULTS}lost.png` })
  await engine.comeBack()
  engine.state = states.hosted()
  await page.getByRole('heading', { level: 1, name: engine.state.status }).waitFor({ timeout: 15_000 })
  await eventually(() => page.getByText('Not connected to Pilot Light').count(), 0)
  await expect.poll(() => primary(states.OPUS).isDisabled()).toBe(false)
})

test('“Try now” does not wait', async () => {
  await engine.goAway()
  const button = page.getByRole('button', { name: 'Try now' })
  await button.waitFor()
  // By now the wait has grown to five seconds.
  await page.getByText('Trying again in 4 s.').waitFor({ timeout: 15_000 })
  await engine.comeBack()
  await button.click()
  await page.getByText('Not connected to Pilot Light').first().waitFor({ state: 'detached', timeout: 3_000 })
})

test('a mistake in the file shows where it is, and goes when it is mended', async () => {
  engine.state = { ...engine.state, config: { ...engine.state.config, stale: true, problems: [states.mistake] } }
  await page.getByText('The last good configuration is in force.').waitFor()
  await expect.poll(() => page.locator('.problems').innerText()).toContain('/home/ada/.openclaw/openclaw.json:12:7')
  engine.state = states.warm()
  await page.locator('.problems').waitFor({ state: 'detached' })
})

test('a request appears while it runs, and in the list when it is done', async () => {
  engine.state = { ...engine.state, live: [{ id: 8, started: Date.now(), asked: 'primary', api: 'chat', candidate: states.MINIMAX, phase: 'asking' }] }
  await page.getByText('asked, no content yet').waitFor()
  engine.state = { ...engine.state, live: [], recent: [states.served({ id: 8, asked: 'the-new-one' }), ...engine.state.recent] }
  await page.getByRole('row').filter({ hasText: 'the-new-one' }).waitFor()
  await expect.poll(() => page.getByText('asked, no content yet').count()).toBe(0)
})

test('the token leaves the address bar, outlives a reload, and a wrong one can be replaced', async () => {
  expect(page.url()).toBe(engine.bare)
  await page.reload()
  await page.getByRole('heading', { level: 1, name: engine.state.status }).waitFor()

  const other = await open(browser, engine.bare)
  await other.page.getByRole('heading', { name: 'A token is needed' }).waitFor()
  await other.page.getByLabel('Token').fill('wrong')
  await other.page.keyboard.press('Enter')
  await other.page.getByLabel('Token').fill(engine.token)
  await other.page.keyboard.press('Enter')
  await other.page.getByRole('heading', { level: 1, name: engine.state.status }).waitFor()
  await other.page.context().close()
})

test('the endpoint can be copied', async () => {
  await page.context().grantPermissions(['clipboard-read', 'clipboard-write'])
  await page.getByRole('button', { name: 'Copy the endpoint' }).click()
  await page.getByText('Copied the endpoint.').waitFor({ state: 'attached' })
  await expect.poll(() => page.evaluate(() => navigator.clipboard.readText())).toBe('http://127.0.0.1:11235/v1')
})

test('the header shows the status when the summary is scrolled away', async () => {
  const status = page.locator('header .status')
  await expect.poll(() => status.isVisible()).toBe(false)
  await page.mouse.wheel(0, 2_000)
  await status.waitFor({ state: 'visible' })
  await expect.poll(() => status.innerText()).toBe(engine.state.status)
  await page.mouse.wheel(0, -4_000)
  await status.waitFor({ state: 'hidden' })
})

test('everything is reached with Tab, in the order of the page', async () => {
  const reached: string[] = []
  for (let press = 0; press < 20; press += 1) {
    await page.keyboard.press('Tab')
    const name = await page.evaluate(() => {
      const element = document.activeElement
      return element === null || element === document.body ? null : (element.getAttribute('aria-label') ?? element.textContent?.trim() ?? '')
    })
    if (name === null || name === reached[0]) break
    reached.push(name)
  }
  expect(reached).toEqual(['Overview', 'Models', 'Connect', 'Settings', 'Copy the endpoint', 'Unload MiniMax', 'Primary: MiniMax', 'Load Qwen3 8B'])
})

test('the browser has nothing to complain of', () => expect(complaints).toEqual([]))
