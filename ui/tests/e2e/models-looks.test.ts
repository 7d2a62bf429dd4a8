// The Models page in every state, wide and narrow, light and dark: nothing that axe objects to, nothing wider than the
// page, no complaint of the browser. Leaves a picture of each in test-results/, for a person to look at.
import type { Browser, Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { CommandError } from '../../src/lib/backend/backend'
import { ConfigDouble } from '../fixtures/configuration'
import * as states from '../fixtures/states'
import { launch, open, RESULTS, violations, type Look } from './browser'
import { EngineDouble } from './engine-double'

const LOOKS: Look[] = [
  { width: 1000, scheme: 'light' },
  { width: 1000, scheme: 'dark' },
  { width: 640, scheme: 'light' },
  { width: 640, scheme: 'dark' },
  { width: 1440, scheme: 'light' },
  { width: 380, scheme: 'light' },
]

let browser: Browser
let engine: EngineDouble

const provider = (page: Page, name: string) => page.getByRole('article', { name })
const opened = async (page: Page, name: string) => {
  await provider(page, name).getByRole('button').first().click()
}

/** Each state: what the engine has, and how a person gets there. */
const SHOWN: Record<string, { prepare?: (config: ConfigDouble) => void; reach?: (page: Page, narrow: boolean) => Promise<unknown> }> = {
  plain: {},
  provider: { reach: (page) => opened(page, 'LM Studio') },
  server: {
    reach: async (page) => {
      await opened(page, 'LM Studio')
      await page.getByText('It does not tell').evaluate((term) => term.scrollIntoView({ block: 'center' }))
    },
  },
  model: {
    reach: async (page) => {
      await opened(page, 'LM Studio')
      await page.locator('[data-model="lmstudio/minimax-m2.1-gs32"] .summary').click()
      await page.getByRole('button', { name: 'More fields' }).click()
    },
  },
  tested: {
    reach: async (page) => {
      await opened(page, 'LM Studio')
      await page.getByRole('button', { name: 'Test connection to LM Studio' }).click()
      await page.getByText('lms server start').waitFor()
    },
  },
  fetch: {
    reach: async (page) => {
      await opened(page, 'LM Studio')
      await page.getByRole('button', { name: 'Fetch models… of LM Studio' }).click()
      await page.getByText('GLM 4.7 Air').waitFor()
    },
  },
  key: {
    reach: async (page) => {
      await opened(page, 'OpenRouter')
      await page.getByRole('button', { name: 'Change key… of OpenRouter' }).click()
    },
  },
  add: { reach: (page) => page.getByRole('button', { name: 'Add a provider' }).click() },
  'add-form': {
    reach: async (page) => {
      await page.getByRole('button', { name: 'Add a provider' }).click()
      await page.getByRole('button', { name: /OpenRouter, US only/ }).click()
    },
  },
  draft: { reach: (page) => page.getByRole('button', { name: /^Hosted first/ }).click() },
  text: {
    reach: async (page, narrow) => {
      if (narrow) await page.getByRole('tab', { name: 'Text' }).click()
      await page.locator('.cm-scroller').evaluate((scroller) => (scroller.scrollTop = scroller.scrollHeight))
      await page.locator('.cm-line .kept').waitFor()
    },
  },
  save: {
    reach: async (page) => {
      await page.getByRole('button', { name: /^Hosted first/ }).click()
      await page.getByRole('button', { name: 'Review and save' }).click()
      await page.getByRole('dialog').waitFor()
    },
  },
  history: {
    prepare: (config) => config.writeElsewhere((value) => value),
    reach: async (page) => {
      await page.getByRole('button', { name: 'History' }).click()
      await page.getByText('Changed by another program').waitFor()
    },
  },
  conflict: {
    reach: async (page) => {
      await page.getByRole('button', { name: 'Move MiniMax down' }).click()
      await page.getByText('One unsaved change').waitFor()
      engine.config.writeElsewhere((value) => ({ ...(value as object), agents: { defaults: { model: { primary: 'anthropic/claude-opus-4-6' } } } }))
      await page.getByRole('dialog').waitFor()
    },
  },
  'comments-lost': { prepare: (config) => (config.lostComments = 4) },
  'read-only': { prepare: (config) => (config.readOnly = true) },
  missing: { prepare: (config) => (config.missing = true) },
}

/** What is met more rarely: mistakes, refusals, and what is under way. Not looked at in every width. */
const RARELY_SHOWN: typeof SHOWN = {
  held: {
    reach: async (page) => {
      await page.getByRole('button', { name: /^Move MiniMax, number/ }).focus()
      await page.keyboard.press('Space')
      await page.keyboard.press('ArrowDown')
    },
  },
  'provider-more': {
    reach: async (page) => {
      await opened(page, 'OpenRouter')
      await page.getByRole('button', { name: 'More of this provider' }).click()
      await provider(page, 'OpenRouter').getByLabel('Id', { exact: true }).fill('Not an id')
      await page.keyboard.press('Enter')
      await page.getByText('Use small letters').waitFor()
    },
  },
  'fetch-failed': {
    prepare: (config) => (config.failNext = { name: 'models', error: new CommandError('io', 'http://127.0.0.1:1234/v1/models: connection refused') }),
    reach: async (page) => {
      await opened(page, 'LM Studio')
      await page.getByRole('button', { name: 'Fetch models… of LM Studio' }).click()
      await page.getByText('Is its server running?').waitFor()
    },
  },
  'key-variable': {
    reach: async (page) => {
      await opened(page, 'OpenRouter')
      await page.getByRole('button', { name: 'Change key… of OpenRouter' }).click()
      await page.getByLabel('Environment variable').check()
      await page.getByLabel('Variable', { exact: true }).fill('not a variable')
      await page.keyboard.press('Enter')
      await page.getByText('A variable has capital letters').waitFor()
    },
  },
  'add-none': {
    reach: async (page) => {
      await page.getByRole('button', { name: 'Add a provider' }).click()
      await page.keyboard.type('no such thing')
      await page.getByText('No preset is called so').waitFor()
    },
  },
  'add-wrong': {
    reach: async (page) => {
      await page.getByRole('button', { name: 'Add a provider' }).click()
      await page.getByRole('button', { name: /^Ollama/ }).click()
      await page.getByLabel('Base URL').fill('ollama')
      await page.keyboard.press('Enter')
      await page.getByText('Write the whole address').waitFor()
    },
  },
  mistake: {
    reach: async (page, narrow) => {
      if (narrow) await page.getByRole('tab', { name: 'Text' }).click()
      await page.locator('.cm-content').focus()
      await page.keyboard.press('Control+Home')
      await page.keyboard.type(']')
      await page.getByText('The text has a mistake').waitFor()
      await page.locator('.cm-lint-marker-error').waitFor()
    },
  },
  'history-draft': {
    prepare: (config) => config.writeElsewhere((value) => value),
    reach: async (page) => {
      await page.getByRole('button', { name: 'Move MiniMax down' }).click()
      await page.getByRole('button', { name: 'History' }).click()
      await page.getByText('Save or discard the draft').waitFor()
    },
  },
  'save-refused': {
    prepare: (config) => (config.failNext = { name: 'save', error: new CommandError('io', 'openclaw.json: no space left on the device') }),
    reach: async (page) => {
      await page.getByRole('button', { name: /^Hosted first/ }).click()
      await page.getByRole('button', { name: 'Review and save' }).click()
      await page.getByRole('dialog').getByRole('button', { name: 'Save', exact: true }).click()
      await page.getByText('no space left on the device').waitFor()
    },
  },
  unread: { prepare: (config) => (config.failNext = { name: 'config', error: new CommandError('io', 'openclaw.json: permission denied') }) },
}

beforeAll(async () => {
  browser = await launch()
})
afterAll(() => browser?.close())

describe.each(LOOKS)('$width wide, $scheme', (look) => {
  const rarely = LOOKS.indexOf(look) < 4 ? RARELY_SHOWN : {}
  test.each(Object.entries({ ...SHOWN, ...rarely }))('%s', async (name, shown) => {
    engine = await EngineDouble.start(states.warm())
    shown.prepare?.(engine.config)
    const { page, complaints } = await open(browser, `${engine.page}&models`, look)
    try {
      await page.getByRole('heading', { level: 1, name: 'Models' }).waitFor()
      if (name === 'unread') await page.getByText('permission denied').waitFor()
      else if (name === 'missing') await page.getByText('OpenClaw has no configuration yet').waitFor()
      else await page.getByRole('heading', { level: 2, name: 'Chain' }).waitFor()
      await shown.reach?.(page, look.width < 860)
      if ((look.width >= 860 && name !== 'unread' && name !== 'missing') || name === 'text') await page.locator('.cm-line').first().waitFor()
      await page.waitForTimeout(250)
      await page.screenshot({ path: `${RESULTS}models-${name}-${look.width}-${look.scheme}.png` })
      expect(await violations(page)).toEqual([])
      await expect.poll(() => page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth)).toBeLessThanOrEqual(0)
      // A refusal is an answer that a browser complains of by itself.
      expect(complaints.filter((one) => !/status of (409|422)/.test(one))).toEqual([])
      await expect.poll(() => page.content()).not.toContain('sk-secret')
    } finally {
      await page.context().close()
      await engine.goAway()
    }
  })
})
