// What a person does on the Models page, by mouse and by keyboard alone: in Chromium, over HTTP.
import type { Browser, Page } from 'playwright-core'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { CommandError } from '../../src/lib/backend/backend'
import { applied, at, type Body, type Edit, type Json } from '../../src/lib/models/draft'
import { SECRET } from '../fixtures/configuration'
import * as states from '../fixtures/states'
import { launch, open, violations } from './browser'
import { EngineDouble } from './engine-double'

const CHAIN = 'agents.defaults.model'
const MINIMAX = 'lmstudio/minimax-m2.1-gs32'
const OPUS = 'anthropic/claude-opus-4-6'
const ROUTED = 'openrouter/minimax/minimax-m2.1'

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
  await start()
})
afterEach(async () => {
  await expect.poll(() => page.content()).not.toContain('sk-secret')
  await page.context().close()
  await engine.goAway()
})

async function start(look: { width?: number } = {}) {
  await page?.context().close()
  ;({ page, complaints } = await open(browser, `${engine.page}&models`, look))
  await page.getByRole('heading', { level: 2, name: 'Chain' }).waitFor()
  if ((look.width ?? 1000) >= 860) await page.locator('.cm-line').first().waitFor()
}

const eventually = (read: () => unknown, value: unknown) => expect.poll(read).toEqual(value)
const button = (name: string | RegExp) => page.getByRole('button', { name, exact: typeof name === 'string' })
const article = (name: string) => page.getByRole('article', { name, exact: true })
const dialog = () => page.getByRole('dialog')
const handle = (title: string) => button(new RegExp(`^Move ${title}, number`))
const entries = () => page.locator('.chain-edit li').evaluateAll((items) => items.map((item) => item.getAttribute('data-entry')))
const focused = () => page.evaluate(() => document.activeElement?.getAttribute('aria-label') ?? document.activeElement?.textContent?.trim())
const stands = (path: string) => at(engine.config.value, path)
const text = () => page.locator('.cm-content').evaluate((content) => [...content.querySelectorAll('.cm-line')].map((line) => line.textContent).join('\n'))
const change = (edit: Edit) => engine.config.writeElsewhere((value: Json) => applied(value, [edit]))

async function save() {
  await page.keyboard.press('Control+s')
  await dialog().getByRole('button', { name: 'Save', exact: true }).click()
  await page.getByText('Saved', { exact: true }).waitFor()
}

/** Types over the whole text. */
async function type(whole: string) {
  await page.locator('.cm-content').focus()
  await page.keyboard.press('Control+a')
  await page.keyboard.insertText(whole)
}

/** The text as the page has it. */
async function shown(): Promise<string> {
  return (await engine.config.config()).files[0]!.text
}

describe('the chain', () => {
  test('by drag: what is dropped is in the draft and in the text, and only saving writes it', async () => {
    const from = (await handle('MiniMax').boundingBox())!
    const to = (await handle('Opus').boundingBox())!
    await page.mouse.move(from.x + 8, from.y + 8)
    await page.mouse.down()
    await page.mouse.move(to.x + 8, to.y + to.height + 6, { steps: 6 })
    await eventually(entries, [OPUS, MINIMAX, ROUTED])
    await expect.poll(() => page.getByText('One unsaved change').count()).toBe(0)
    await page.mouse.up()
    await page.getByText('One unsaved change').waitFor()
    await expect.poll(text).toContain(`primary: "${OPUS}"`)
    expect(stands(`${CHAIN}.primary`)).toBe(MINIMAX)
    await save()
    expect(stands(CHAIN)).toEqual({ primary: OPUS, fallbacks: [MINIMAX, ROUTED] })
    expect(engine.config.text).toContain('// Paid. Opus first')
  })

  test('by drag, given up with Escape', async () => {
    const from = (await handle('MiniMax').boundingBox())!
    await page.mouse.move(from.x + 8, from.y + 8)
    await page.mouse.down()
    await page.mouse.move(from.x + 8, from.y + 140, { steps: 4 })
    await eventually(entries, [OPUS, ROUTED, MINIMAX])
    await page.keyboard.press('Escape')
    await page.mouse.up()
    await eventually(entries, [MINIMAX, OPUS, ROUTED])
    await expect.poll(() => page.getByText(/unsaved change/).count()).toBe(0)
  })

  test('by the keyboard alone: taken, moved, dropped and saved, each step said aloud', async () => {
    const said = page.locator('[aria-live=assertive]')
    await handle('MiniMax').focus()
    await page.keyboard.press('ArrowDown')
    await expect.poll(() => focused()).toContain('Move Opus')
    await page.keyboard.press('ArrowUp')
    await page.keyboard.press('Space')
    await eventually(() => said.innerText(), 'MiniMax is held, number 1 of 3. Arrow keys move it, Space drops it, Escape puts it back.')
    await page.keyboard.press('ArrowDown')
    await eventually(() => said.innerText(), 'MiniMax is now number 2 of 3.')
    await page.keyboard.press('ArrowDown')
    await eventually(entries, [OPUS, ROUTED, MINIMAX])
    expect(await violations(page)).toEqual([])
    await page.keyboard.press('Escape')
    await eventually(entries, [MINIMAX, OPUS, ROUTED])
    await expect.poll(() => focused()).toContain('Move MiniMax, number 1')
    await page.keyboard.press('Enter')
    await page.keyboard.press('End')
    await page.keyboard.press('Enter')
    await eventually(() => said.innerText(), 'MiniMax is dropped as number 3.')
    await expect.poll(() => focused()).toContain('Move MiniMax, number 3')
    await page.keyboard.press('Control+s')
    await eventually(focused, 'Save')
    await page.keyboard.press('Enter')
    await page.getByText('Saved', { exact: true }).waitFor()
    expect(stands(CHAIN)).toEqual({ primary: OPUS, fallbacks: [ROUTED, MINIMAX] })
  })

  test('by buttons: the focus stays on the one that was pressed', async () => {
    await button('Move Opus up').focus()
    await page.keyboard.press('Enter')
    await eventually(entries, [OPUS, MINIMAX, ROUTED])
    await expect.poll(() => focused()).toBe('Move Opus up')
    await page.keyboard.press('Enter')
    await eventually(entries, [OPUS, MINIMAX, ROUTED])
    await button('Move Opus down').click()
    await eventually(entries, [MINIMAX, OPUS, ROUTED])
  })

  test('out, and in again', async () => {
    await button('Take Opus out of the chain').click()
    await eventually(entries, [MINIMAX, ROUTED])
    await page.getByLabel('Add to the chain').selectOption(OPUS)
    await button('Add').click()
    await eventually(entries, [MINIMAX, ROUTED, OPUS])
    await save()
    expect(stands(`${CHAIN}.fallbacks`)).toEqual([ROUTED, OPUS])
  })

  test('the two templates, one click each', async () => {
    await button(/^Hosted first/).click()
    await eventually(entries, [OPUS, MINIMAX, ROUTED])
    await button(/^Local first/).click()
    await eventually(entries, [MINIMAX, OPUS, ROUTED])
    await expect.poll(() => button(/^Local first/).getAttribute('aria-disabled')).toBe('true')
  })
})

describe('the form', () => {
  test('an alias and a size, with the text following; typing the old value again is no change', async () => {
    await article('LM Studio').getByRole('button').first().click()
    await page.locator('[data-model="lmstudio/qwen3-8b"] .summary').click()
    const model = page.locator('[data-model="lmstudio/qwen3-8b"]')
    await model.getByLabel('Alias').fill('Qwen')
    await page.keyboard.press('Enter')
    await expect.poll(text).toContain('alias: "Qwen"')
    await model.getByLabel('Context window').fill('32 768')
    await page.keyboard.press('Tab')
    await page.getByText('2 unsaved changes').waitFor()
    await model.getByLabel('Context window').fill('40960')
    await page.keyboard.press('Tab')
    await page.getByText('One unsaved change').waitFor()
    await save()
    expect(stands('agents.defaults.models["lmstudio/qwen3-8b"].alias')).toBe('Qwen')
    expect(stands('models.providers.lmstudio.models[1].contextWindow')).toBe(40960)
  })

  test('what cannot be is not taken, and says why', async () => {
    await article('LM Studio').getByRole('button').first().click()
    const url = article('LM Studio').getByLabel('Base URL').first()
    await url.fill('studio')
    await page.keyboard.press('Tab')
    await page.getByText('Write the whole address').waitFor()
    expect(await violations(page)).toEqual([])
    await url.fill('')
    await page.keyboard.press('Tab')
    await page.getByText('Base URL is needed.').waitFor()
    await expect.poll(() => page.getByText(/unsaved change/).count()).toBe(0)
  })

  test('a provider from a preset, by the keyboard alone', async () => {
    await button('Add a provider').focus()
    await page.keyboard.press('Enter')
    await expect.poll(() => page.evaluate(() => document.activeElement?.getAttribute('placeholder'))).toBe('Find a preset')
    await page.keyboard.type('us only')
    await page.keyboard.press('Tab')
    await page.keyboard.press('Enter')
    await dialog().getByText('OPENROUTER_API_KEY').waitFor()
    await expect.poll(() => dialog().getByLabel('Id').inputValue()).toBe('openrouter-2')
    await page.keyboard.press('Enter')
    await eventually(() => dialog().count(), 0)
    await eventually(() => page.evaluate(() => document.activeElement?.id), 'provider-openrouter-2')
    await article('openrouter-2').getByText('not saved yet').first().waitFor()
    await save()
    expect(stands('models.providers["openrouter-2"]')).toEqual({
      baseUrl: 'https://openrouter.ai/api/v1',
      apiKey: '${OPENROUTER_API_KEY}',
      api: 'openai-completions',
      models: [{ id: 'moonshotai/kimi-k2', name: 'Kimi K2', contextWindow: 262144, maxTokens: 16384 }],
    })
  })

  test('testing a connection says which step fails and what to do', async () => {
    await article('LM Studio').getByRole('button').first().click()
    await button('Test connection to LM Studio').click()
    await page.getByText('LM Studio does not work yet.').waitFor()
    await page.getByText('lms server start').waitFor()
    expect(engine.config.asked).toContainEqual(['test', { provider: 'lmstudio' }])
    engine.config.test = { ok: true, steps: [{ name: 'models', ok: true, detail: '2 of 2', advice: null }] }
    await button('Test connection to LM Studio').click()
    await page.getByText('LM Studio works.').waitFor()
  })

  test('models are fetched, picked, and filled in', async () => {
    await article('LM Studio').getByRole('button').first().click()
    await button('Fetch models… of LM Studio').click()
    await expect.poll(() => dialog().getByLabel(/MiniMax M2.1 GS32/).isDisabled()).toBe(true)
    await dialog().getByText('131k context · sees images · calls tools · Q6_K · 88 GB').waitFor()
    await dialog().getByLabel(/GLM 4.7 Air/).focus()
    await page.keyboard.press('Space')
    await dialog().getByRole('button', { name: 'Add the model' }).click()
    await page.locator('[data-model="lmstudio/glm-4.7-air"]').waitFor()
    await save()
    expect(stands('models.providers.lmstudio.models[2]')).toEqual({ id: 'glm-4.7-air', name: 'GLM 4.7 Air', input: ['text', 'image'], contextWindow: 131072 })
  })

  test('a provider that goes takes its models with it; another id is changed everywhere', async () => {
    await article('OpenRouter').getByRole('button').first().click()
    await button('Remove OpenRouter').click()
    await eventually(entries, [MINIMAX, OPUS])
    await article('LM Studio').getByRole('button').first().click()
    await button('More of this provider').click()
    await article('LM Studio').getByLabel('Id', { exact: true }).fill('studio')
    await page.keyboard.press('Tab')
    await eventually(entries, ['studio/minimax-m2.1-gs32', OPUS])
    await save()
    expect(stands(CHAIN)).toEqual({ primary: 'studio/minimax-m2.1-gs32', fallbacks: [OPUS] })
    expect(Object.keys(stands('models.providers') as object)).toEqual(['studio'])
  })

  test('a problem is mended by one click, and shows its place', async () => {
    await button(/openclaw.json:\d+:\d+/).click()
    await expect.poll(() => page.locator('.cm-line:has(.kept)').isVisible()).toBe(true)
    await expect.poll(() => page.evaluate(() => document.activeElement?.classList.contains('cm-content'))).toBe(true)
    await button('Use ${OPENROUTER_API_KEY}').click()
    await page.getByText('No problems').waitFor()
    await save()
    expect(stands('models.providers.openrouter.apiKey')).toBe('${OPENROUTER_API_KEY}')
  })
})

describe('the text', () => {
  test('the form follows it, and an edit by the form goes on top of what was typed', async () => {
    await type((await shown()).replace('"Opus"', '"Claude"'))
    await page.locator('.chain-edit').getByText('Claude').waitFor()
    await page.locator('.badge', { hasText: 'unsaved' }).waitFor()
    await button('Move Claude up').click()
    await expect.poll(text).toContain(`primary: "${OPUS}"`)
    await save()
    expect(stands(`agents.defaults.models["${OPUS}"].alias`)).toBe('Claude')
    expect(stands(`${CHAIN}.primary`)).toBe(OPUS)
    expect(stands('models.providers.openrouter.apiKey')).toBe(SECRET)
  })

  test('a mistake in it: said at its line, the form waits, and mending it goes on', async () => {
    const whole = await shown()
    await type(whole.replace('mode: "merge",', 'mode: "merge'))
    await page.getByText('The text has a mistake').waitFor()
    await page.locator('.cm-lint-marker-error').waitFor()
    await expect.poll(() => button('Move Opus up').isDisabled()).toBe(true)
    expect(await violations(page)).toEqual([])
    await type(whole)
    await eventually(() => page.getByText('The text has a mistake').count(), 0)
    await expect.poll(() => button('Move Opus up').isDisabled()).toBe(false)
    await expect.poll(() => page.getByText(/unsaved change/).count()).toBe(0)
  })

  test('a key that is kept cannot be typed over, but its provider can be taken away', async () => {
    await button(/openclaw.json:\d+:\d+/).click()
    await page.locator('.cm-line .kept').click()
    await page.keyboard.type('sk')
    await page.keyboard.press('Backspace')
    await page.getByText('A key that is kept cannot be changed in the text.').first().waitFor()
    await expect.poll(() => page.getByText(/unsaved change/).count()).toBe(0)
    const whole = await shown()
    const from = whole.indexOf('      openrouter:')
    await type(whole.slice(0, from) + whole.slice(whole.indexOf('\n      },', from) + 9))
    await expect.poll(() => article('OpenRouter').count()).toBe(1)
    await page.getByText('is no configured model').waitFor()
  })

  test('Tab leaves it', async () => {
    await page.locator('.cm-content').focus()
    await page.keyboard.press('Tab')
    await expect.poll(() => page.evaluate(() => document.activeElement?.closest('.cm-editor'))).toBeNull()
  })
})

describe('keys', () => {
  test('a key goes to the engine once and is shown nowhere', async () => {
    await article('OpenRouter').getByRole('button').first().click()
    await button('Change key… of OpenRouter').click()
    await dialog().getByLabel('Key', { exact: true }).fill('sk-new-key')
    await page.keyboard.press('Enter')
    await eventually(() => dialog().count(), 0)
    expect(engine.config.asked).toContainEqual(['key', { provider: 'openrouter', place: 'keychain', value: 'sk-new-key' }])
    await article('OpenRouter').getByText('kept in: the keychain').first().waitFor()
    await expect.poll(() => page.content()).not.toContain('sk-new-key')
  })

  test('one that is kept is moved from any place without being typed again', async () => {
    await article('OpenRouter').getByRole('button').first().click()
    for (const [place, name] of [['private-file', /^Private file/], ['keychain', /^Keychain/]] as const) {
      await button('Change key… of OpenRouter').click()
      await dialog().getByRole('radio', { name }).check()
      await dialog().getByRole('button', { name: 'Keep the key' }).click()
      await eventually(() => dialog().count(), 0)
      expect(engine.config.asked).toContainEqual(['key', { provider: 'openrouter', place }])
    }
  })

  test('one that cannot be kept there says why, and a variable is a part of the draft', async () => {
    engine.config.failNext = { name: 'key', error: new CommandError('no-keychain', 'There is no keychain on this machine: keep it in a private file.') }
    await article('OpenRouter').getByRole('button').first().click()
    await button('Change key… of OpenRouter').click()
    await dialog().getByRole('button', { name: 'Keep the key' }).click()
    await dialog().getByText('There is no keychain on this machine').waitFor()
    await dialog().getByLabel('Environment variable').check()
    await dialog().getByLabel('Variable', { exact: true }).fill('ROUTER_KEY')
    await page.keyboard.press('Enter')
    await page.getByText('One unsaved change').waitFor()
    await save()
    expect(stands('models.providers.openrouter.apiKey')).toBe('${ROUTER_KEY}')
  })
})

test('an edit by the form is shown in the file that it changes', async () => {
  engine.config.split = true
  await page.reload()
  const file = page.getByRole('combobox', { name: 'File' })
  await expect.poll(() => file.locator('option:checked').innerText()).toBe('openclaw.json')
  await page.getByRole('radio', { name: /^Only these/ }).check()
  await expect.poll(() => file.locator('option:checked').innerText()).toBe('mode.json5')
  await expect.poll(text).toContain('replace')
})

test('of very many models a page is shown at a time, and the others are found', async () => {
  const rows = Array.from({ length: 3_000 }, (_, index) => ({ id: `model-${index}`, name: `Model ${index}` }))
  change({ edit: 'set', path: 'models.providers.lmstudio.models', value: rows })
  await article('LM Studio').getByText('3000 models').waitFor()
  await article('LM Studio').getByRole('button').first().click()
  const shown = () => article('LM Studio').locator('[data-model]').count()
  await eventually(shown, 100)
  await button(/^Show more/).click()
  await eventually(shown, 200)
  await article('LM Studio').getByRole('searchbox', { name: 'Filter the models of LM Studio' }).fill('model-2999')
  await eventually(shown, 1)
  await button('Add a model by hand').first().click()
  await article('LM Studio').locator('[data-model="lmstudio/new-model"]').getByLabel('Model id').waitFor()
  await eventually(shown, 201)
})

describe('going back', () => {
  test('undo and redo: first the draft, then what was saved', async () => {
    await button('Move Opus up').click()
    await button('Undo: Order of the chain').click()
    await eventually(entries, [MINIMAX, OPUS, ROUTED])
    await button('Redo: Order of the chain').click()
    await eventually(entries, [OPUS, MINIMAX, ROUTED])
    await save()
    await button('Undo the last save').click()
    await eventually(entries, [MINIMAX, OPUS, ROUTED])
    expect(stands(`${CHAIN}.primary`)).toBe(MINIMAX)
    await page.keyboard.press('Control+Shift+z')
    await eventually(entries, [OPUS, MINIMAX, ROUTED])
  })

  test('the history: any revision again', async () => {
    await button('Move Opus up').click()
    await save()
    await button('History').click()
    await dialog().getByText('current', { exact: true }).waitFor()
    await expect.poll(() => dialog().locator('li').first().innerText()).toContain('Order of the chain')
    await dialog().getByRole('button', { name: /^Restore: Found/ }).click()
    await eventually(() => dialog().count(), 0)
    await eventually(entries, [MINIMAX, OPUS, ROUTED])
  })

  test('a draft is thrown away', async () => {
    await button('Move Opus up').click()
    await button('Discard').click()
    await eventually(entries, [MINIMAX, OPUS, ROUTED])
    await expect.poll(text).toContain(`primary: "${MINIMAX}"`)
    await expect.poll(() => button('Review and save').getAttribute('aria-disabled')).toBe('true')
  })

  test('closing the difference writes nothing', async () => {
    await button('Move Opus up').click()
    await button('Review and save').click()
    await dialog().getByRole('button', { name: 'Save', exact: true }).waitFor()
    await page.keyboard.press('Escape')
    await eventually(() => dialog().count(), 0)
    expect(engine.config.asked.filter(([name]) => name === 'save')).toEqual([])
    await expect.poll(() => focused()).toBe('Review and save')
  })
})

describe('the file changes underneath', () => {
  const elsewhere: Edit = { edit: 'set', path: 'models.providers.lmstudio.models[1].name', value: 'Qwen, renamed' }

  test('without a draft it is simply shown', async () => {
    change({ edit: 'set', path: `${CHAIN}.primary`, value: OPUS })
    await eventually(entries, [OPUS, OPUS, ROUTED])
  })

  test('in another place: the draft is put on top of it', async () => {
    await button('Move Opus up').click()
    await page.getByText('One unsaved change').waitFor()
    change(elsewhere)
    await page.getByText('Your changes are on top of it now.').waitFor()
    await eventually(entries, [OPUS, MINIMAX, ROUTED])
    await save()
    expect(stands('models.providers.lmstudio.models[1].name')).toBe('Qwen, renamed')
    expect(stands(`${CHAIN}.primary`)).toBe(OPUS)
  })

  test('in the same place: both are shown; theirs', async () => {
    await button('Move Opus up').click()
    await page.getByText('One unsaved change').waitFor()
    change({ edit: 'set', path: CHAIN, value: { primary: ROUTED } })
    await dialog().getByText('The file was changed meanwhile').waitFor()
    await dialog().getByRole('button', { name: 'Take theirs, discard mine' }).click()
    await eventually(entries, [ROUTED])
    await page.getByText('Saved', { exact: true }).waitFor()
  })

  test('in the same place: ours goes on, and is saved only after its difference was seen', async () => {
    await button('Take Opus out of the chain').click()
    await page.getByText('One unsaved change').waitFor()
    change({ edit: 'set', path: `${CHAIN}.fallbacks`, value: [ROUTED, OPUS] })
    await dialog().getByRole('button', { name: 'Keep editing mine on the new text' }).click()
    await page.getByText('Look at the difference before you save.').waitFor()
    expect(engine.config.asked.filter(([name]) => name === 'save')).toEqual([])
    await save()
    expect(stands(`${CHAIN}.fallbacks`)).toHaveLength(1)
  })

  test('while typing in it: nothing typed is lost', async () => {
    await type((await shown()).replace('"Opus"', '"Mine"'))
    await page.locator('.chain-edit').getByText('Mine').waitFor()
    change(elsewhere)
    await dialog().getByText('changed while you typed in it').waitFor()
    await dialog().getByRole('button', { name: 'Keep editing mine on the new text' }).click()
    await expect.poll(text).toContain('alias: "Mine"')
    await page.getByText('One unsaved change').waitFor()
  })

  test('between the look and the save: the save is refused, and both are shown', async () => {
    await button('Move Opus up').click()
    await button('Review and save').click()
    await dialog().waitFor()
    engine.config.onWrite = () => undefined
    engine.config.failNext = { name: 'save', error: new CommandError('conflict', 'The file was changed meanwhile.', { files: [{ path: '/f', ours: 'a\nmine\n', theirs: 'a\ntheirs\n' }] }) }
    await dialog().getByRole('button', { name: 'Save', exact: true }).click()
    await dialog().getByText('Take theirs').waitFor()
    await expect.poll(() => dialog().innerText()).toContain('theirs')
    expect(stands(`${CHAIN}.primary`)).toBe(MINIMAX)
  })

  test('another program dropped the comments: they are put back', async () => {
    engine.config.lostComments = 3
    engine.config.writeElsewhere((value) => value, {})
    await page.getByText('Another program dropped 3 comments').waitFor()
    await button('Put them back').click()
    await eventually(() => page.getByText('Another program dropped').count(), 0)
    expect(engine.config.text).toContain('// Paid. Opus first')
  })

  test('another program dropped the comments: they are left out for good', async () => {
    engine.config.lostComments = 3
    engine.config.writeElsewhere((value) => value, {})
    await page.getByText('Another program dropped 3 comments').waitFor()
    const text = engine.config.text
    await button('Leave them out').click()
    await eventually(() => page.getByText('Another program dropped').count(), 0)
    expect(engine.config.text).toBe(text)
    expect(engine.config.lostComments).toBe(0)
  })
})

describe('around it', () => {
  test('a refused change says why and is undone by a click', async () => {
    engine.config.failNext = { name: 'preview', error: new CommandError('duplicate-key', 'agents stands more than once (lines 3, 9): remove all but one') }
    await button('Move Opus up').click()
    await page.getByText('agents stands more than once').waitFor()
    await button('Undo this change').click()
    await eventually(() => page.getByText('agents stands more than once').count(), 0)
    await eventually(entries, [MINIMAX, OPUS, ROUTED])
  })

  test('read-only: shown, and nothing can be changed', async () => {
    engine.config.readOnly = true
    await start()
    await page.getByText('This configuration may not be changed').waitFor()
    await expect.poll(() => button('Move Opus up').isDisabled()).toBe(true)
    await expect.poll(() => button('Add a provider').isDisabled()).toBe(true)
    await page.locator('.cm-content').focus()
    await page.keyboard.type('x')
    await expect.poll(() => page.getByText(/unsaved change/).count()).toBe(0)
    await article('LM Studio').getByRole('button').first().click()
    await expect.poll(() => article('LM Studio').getByLabel('Base URL').first().isDisabled()).toBe(true)
    await expect.poll(() => button('Remove LM Studio').isDisabled()).toBe(true)
    await article('LM Studio').locator('.summary').first().click()
    await expect.poll(() => article('LM Studio').getByLabel('Model id').isDisabled()).toBe(true)
    // What changes nothing can be done all the same.
    await button('Test connection to LM Studio').click()
    await article('LM Studio').getByText('connection refused').waitFor()
  })

  test('no file yet: what is to be done is said, and the page opens once there is one', async () => {
    engine.config.missing = true
    await page.reload()
    await page.getByText('OpenClaw has no configuration yet').waitFor()
    await eventually(() => button('Add a provider').count(), 0)
    engine.config.writeElsewhere((value) => value)
    await button('Add a provider').click()
    await dialog().getByRole('button', { name: /^Ollama/ }).waitFor()
  })

  test('a configuration that cannot be read says so, and is tried again', async () => {
    engine.config.failNext = { name: 'config', error: new CommandError('io', 'openclaw.json: permission denied') }
    await page.reload()
    await page.getByText('openclaw.json: permission denied').waitFor()
    await button('Try again').click()
    await page.getByRole('heading', { level: 2, name: 'Chain' }).waitFor()
  })

  test('a draft outlives a look at the Overview, which says that there is one', async () => {
    await button('Move Opus up').click()
    await page.getByText('One unsaved change').waitFor()
    await page.getByRole('link', { name: 'Overview' }).click()
    await page.getByRole('heading', { level: 1, name: engine.state.status }).waitFor()
    await page.getByRole('link', { name: 'Models (unsaved changes)' }).click()
    await eventually(entries, [OPUS, MINIMAX, ROUTED])
    await page.getByText('One unsaved change').waitFor()
    await expect.poll(text).toContain(`primary: "${OPUS}"`)
  })

  test('narrow: form and text are tabs, by the keyboard too', async () => {
    await start({ width: 640 })
    await button('Move Opus up').click()
    await page.getByRole('tab', { name: 'Form' }).focus()
    await page.keyboard.press('ArrowRight')
    await expect.poll(text).toContain(`primary: "${OPUS}"`)
    await expect.poll(() => page.getByRole('heading', { name: 'Chain' }).isVisible()).toBe(false)
    await page.keyboard.press('ArrowLeft')
    await page.getByRole('heading', { name: 'Chain' }).waitFor()
  })

  test('previews are asked for once a person rests, and hold the whole draft', async () => {
    await button('Move Opus up').click()
    await button('Move Opus down').click()
    await button('Move Opus up').click()
    await page.getByText('3 unsaved changes').waitFor()
    await expect.poll(() => engine.config.asked.filter(([name]) => name === 'preview').length).toBeGreaterThan(0)
    const previews = engine.config.asked.filter(([name]) => name === 'preview').map(([, body]) => body as Body)
    expect(previews.at(-1)?.revision).toBe('r1')
    expect(complaints).toEqual([])
  })
})
