// Every state, wide and narrow, light and dark: nothing that axe objects to, nothing wider than the page, no complaint
// of the browser. Leaves a picture of each in test-results/, for a person to look at.
import type { Browser, Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { AppState } from '../../src/lib/bindings/AppState'
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
const SHOWN: Record<string, () => AppState> = {
  warm: () => states.warm(),
  loading: () => states.loading(),
  hosted: () => states.hosted(),
  trouble: () => states.trouble(),
  cooling: () => states.coolingDown(),
  unchained: () => states.warm({ chain: [], answering: null, light: 'trouble', status: 'No model in the chain', models: states.warm().models.map((model) => ({ ...model, place: null })) }),
  told: () => states.told(),
  fresh: () => states.fresh(),
  empty: () => states.empty(),
  stopped: () => states.stopped(),
}

let browser: Browser
let engine: EngineDouble

beforeAll(async () => {
  browser = await launch()
  engine = await EngineDouble.start(states.warm())
})
afterAll(async () => {
  await browser?.close()
  await engine?.goAway()
})

describe.each(LOOKS)('$width wide, $scheme', (look) => {
  let page: Page
  let complaints: string[]

  beforeAll(async () => {
    ;({ page, complaints } = await open(browser, engine.page, look))
  })
  afterAll(() => page.context().close())

  test.each(Object.keys(SHOWN))('%s', async (name) => {
    engine.state = SHOWN[name]!()
    await page.locator(`main [data-light="${engine.state.light}"]`).waitFor()
    await page.getByText(engine.state.config.path).first().waitFor()
    if (name === 'cooling') await page.getByText('Opus is cooling down').waitFor()
    if (name === 'told') await page.getByRole('heading', { name: 'Notices' }).scrollIntoViewIfNeeded()
    else await page.evaluate(() => scrollTo(0, 0))
    await page.screenshot({ path: `${RESULTS}overview-${name}-${look.width}-${look.scheme}.png` })
    expect(await violations(page)).toEqual([])
    await expect.poll(() => page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth)).toBeLessThanOrEqual(0)
    expect(complaints).toEqual([])
  })
})

test.each(LOOKS)('asking for the token, $width wide, $scheme', async (look) => {
  const { page } = await open(browser, `${engine.bare}#token=wrong`, look)
  await page.getByRole('heading', { name: 'A token is needed' }).waitFor()
  await page.screenshot({ path: `${RESULTS}token-${look.width}-${look.scheme}.png` })
  expect(await violations(page)).toEqual([])
  await page.context().close()
})
