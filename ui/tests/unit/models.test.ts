// The Models page as a person or a screen reader finds it, with the text editor left out: a real browser has that.
import { flushSync, mount, unmount } from 'svelte'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { CommandError } from '../../src/lib/backend/backend'
import { at } from '../../src/lib/models/draft'
import Models from '../../src/lib/models/Models.svelte'
import { Session } from '../../src/lib/session.svelte'
import * as states from '../fixtures/states'
import { FakeBackend } from './fake-backend'

const shown = vi.hoisted(() => ({ text: '', problems: 0 }))
vi.mock('../../src/lib/models/text-view', () => ({
  TextView: class {
    constructor(options: { text: string }) {
      shown.text = options.text
    }
    show = (text: string) => (shown.text = text)
    problems = (problems: unknown[]) => (shown.problems = problems.length)
    readOnly() {}
    go() {}
    destroy() {}
  },
}))

let backend: FakeBackend
let session: Session
let page: Record<string, unknown> | undefined

const settle = async () => {
  await vi.advanceTimersByTimeAsync(1_000)
  flushSync()
}
const squeeze = (element: Element | null | undefined) => (element?.textContent ?? '').replace(/\s+/g, ' ').trim()
const texts = (selector: string) => [...document.querySelectorAll(selector)].map(squeeze)
const named = (name: string) =>
  [...document.querySelectorAll<HTMLButtonElement>('button')].find((button) => (button.getAttribute('aria-label') ?? squeeze(button)) === name)!
const press = (name: string) => {
  named(name).click()
  flushSync()
}
const type = async (input: HTMLInputElement, value: string) => {
  input.value = value
  input.dispatchEvent(new Event('change', { bubbles: true }))
  await settle()
}

async function open() {
  session = new Session(backend)
  session.start()
  backend.publish(states.warm())
  page = mount(Models, { target: document.body, props: { session } })
  await settle()
}

beforeEach(() => {
  vi.useFakeTimers()
  backend = new FakeBackend()
})
afterEach(async () => {
  if (page) await unmount(page)
  page = undefined
  vi.useRealTimers()
})

test('each provider: where it runs, its state, what it speaks, and where its key is', async () => {
  await open()
  expect(texts('.cards .head')).toEqual([
    'LM Studio Local answers OpenAI Responses 2 models kept in: the configuration',
    'OpenRouter Hosted US ready OpenAI Chat Completions 1 model kept in: the configuration',
    'Anthropic Hosted ready Anthropic Messages 1 model kept in: the variable ANTHROPIC_API_KEY',
  ])
  expect(document.body.innerHTML).not.toContain('sk-secret')
})

test('a kept key is a chip, and no field holds it', async () => {
  await open()
  document.getElementById('provider-openrouter')!.click()
  flushSync()
  const card = document.querySelector('[data-provider=openrouter]')!
  expect(squeeze(card.querySelector('.key-row'))).toContain('kept Change key…')
  expect([...card.querySelectorAll('input')].map((input) => input.value).filter((value) => value.includes('kept'))).toEqual([])
})

test('the chain’s buttons, and the text that follows', async () => {
  await open()
  expect(named('Move MiniMax up').getAttribute('aria-disabled')).toBe('true')
  press('Move MiniMax down')
  await settle()
  expect(texts('.chain-edit .title')).toEqual(['Opus', 'MiniMax', 'MiniMax M2.1 (US)'])
  expect(shown.text).toContain('primary: "anthropic/claude-opus-4-6"')
  expect(session.unsaved).toBe(true)
  expect(squeeze(document.querySelector('.draft'))).toBe('One unsaved change')
})

describe('a field', () => {
  const field = (label: string) => [...document.querySelectorAll('label')].find((one) => squeeze(one) === label)!.control as HTMLInputElement

  test('takes what is right, and keeps what is wrong in view with why', async () => {
    await open()
    document.getElementById('provider-lmstudio')!.click()
    flushSync()
    await type(field('Base URL'), 'nowhere')
    expect(squeeze(document.querySelector('[role=alert]'))).toContain('Write the whole address')
    expect([field('Base URL').value, field('Base URL').getAttribute('aria-invalid')]).toEqual(['nowhere', 'true'])
    expect(session.unsaved).toBe(false)
    await type(field('Base URL'), 'http://192.168.1.20:1234/v1')
    expect(document.querySelector('[role=alert]')).toBeNull()
    expect(shown.text).toContain('baseUrl: "http://192.168.1.20:1234/v1"')
  })

  test('left empty takes the member away', async () => {
    await open()
    document.getElementById('provider-lmstudio')!.click()
    flushSync()
    document.querySelector<HTMLButtonElement>('[data-model="lmstudio/qwen3-8b"] .summary')!.click()
    flushSync()
    await type(field('Context window'), '')
    expect(shown.text).not.toContain('contextWindow: 40960')
  })
})

test('the difference is shown before anything is written', async () => {
  await open()
  press('Move MiniMax down')
  press('Review and save')
  await settle()
  expect(squeeze(document.querySelector('dialog h2'))).toBe('Save these changes?')
  expect(texts('dialog .added .line').map((line) => line.trim())[0]).toBe('primary: "anthropic/claude-opus-4-6",')
  expect(at(backend.value, 'agents.defaults.model.primary')).toBe('lmstudio/minimax-m2.1-gs32')
  press('Save')
  await settle()
  expect(document.querySelector('dialog')).toBeNull()
  expect(at(backend.value, 'agents.defaults.model.primary')).toBe('anthropic/claude-opus-4-6')
  expect(squeeze(document.querySelector('.draft'))).toBe('Saved')
})

test('a fix is one click', async () => {
  await open()
  expect(shown.problems).toBe(1)
  press('Use ${OPENROUTER_API_KEY}')
  await settle()
  expect(shown.problems).toBe(0)
  expect(shown.text).toContain('${OPENROUTER_API_KEY}')
})

test('read-only: nothing can be changed', async () => {
  backend.readOnly = true
  await open()
  expect(texts('.notices .title')).toEqual(['This configuration may not be changed'])
  expect(document.querySelector<HTMLFieldSetElement>('.form > fieldset')!.disabled).toBe(true)
})

test('a lost connection makes the form wait', async () => {
  await open()
  backend.connection({ kind: 'lost', detail: 'It does not answer.', retryAt: Date.now() })
  flushSync()
  expect(document.querySelector<HTMLFieldSetElement>('.form > fieldset')!.disabled).toBe(true)
  expect(named('Review and save').getAttribute('aria-disabled')).toBe('true')
})

test('what cannot be read says why', async () => {
  backend.failNext = { name: 'config', error: new CommandError('io', 'permission denied') }
  await open()
  expect(squeeze(document.querySelector('[role=alert]'))).toContain('Permission denied.')
  press('Try again')
  await settle()
  expect(texts('.chain-edit .title')).toHaveLength(3)
})
