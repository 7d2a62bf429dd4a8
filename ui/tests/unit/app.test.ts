// The whole page, drawn for each state, as a person or a screen reader finds it.
import { flushSync, mount, unmount } from 'svelte'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import App from '../../src/App.svelte'
import type { AppState } from '../../src/lib/bindings/AppState'
import { Session } from '../../src/lib/session.svelte'
import * as states from '../fixtures/states'
import { FakeBackend } from './fake-backend'

let backend: FakeBackend
let app: Record<string, unknown>

beforeEach(() => {
  backend = new FakeBackend()
  app = mount(App, { target: document.body, props: { session: new Session(backend) } })
  flushSync()
})
afterEach(() => unmount(app))

function show(state: AppState) {
  backend.publish(state)
  flushSync()
}
const text = (selector: string) => (document.querySelector(selector)?.textContent ?? '').replace(/\s+/g, ' ').trim()
const texts = (selector: string) => [...document.querySelectorAll(selector)].map((element) => (element.textContent ?? '').replace(/\s+/g, ' ').trim())
const row = (ref: string) => `[data-ref="${ref}"]`

describe('the summary', () => {
  test.each(['warm', 'loading', 'hosted', 'trouble', 'stopped'] as const)('%s: the light, the status, and who answers', (name) => {
    const state = states[name]()
    show(state)
    expect(document.querySelector('main [data-light]')?.getAttribute('data-light')).toBe(name)
    expect(text('h1')).toBe(state.status)
    expect(document.title).toBe(`${state.status} – Pilot Light`)
    expect(text('body > [role=status]')).toMatch(new RegExp(`^${name}`, 'i'))
  })

  test('costs are left out where nothing had a price', () => {
    show(states.fresh())
    expect(text('.summary')).not.toContain('today')
    show(states.warm({ costToday: 1.5 }))
    expect(text('.summary')).toContain('1.50 today')
  })
})

describe('what cools down', () => {
  test('is said with why, and can be asked again', async () => {
    show(states.coolingDown())
    expect(text('.cooldown .title')).toBe('Opus is cooling down')
    expect(text('.cooldown')).toContain('429: This request would exceed your rate limit')
    expect(text(`[data-ref="${states.OPUS}"]`)).toMatch(/cooling down, 1[12] s more/)
    document.querySelector<HTMLButtonElement>('.cooldown button')!.click()
    expect(backend.commands).toEqual([['retry', 'anthropic']])
    await backend.done()
    show(states.warm())
    expect(document.querySelector('.cooldown')).toBeNull()
  })
})

describe('the models', () => {
  test('the chain in order, with the one that answers marked; the others apart', () => {
    show(states.hosted())
    expect(texts('.chain h3 .title')).toEqual(['MiniMax', 'Opus'])
    expect(texts('.chain .place')).toEqual(['1', '2'])
    expect(texts('.now')).toEqual(['Answers now'])
    expect(text(`${row(states.OPUS)} .now`)).toBe('Answers now')
    expect(texts('.others h3 .title')).toEqual(['Qwen3 8B', 'GLM'])
    expect(text(`${row(states.MINIMAX)} .where`)).toBe('Local')
    expect(text(`${row(states.OPUS)} .where`)).toBe('Hosted')
  })

  test('nobody is marked while the light is trouble', () => {
    show(states.hosted({ light: 'trouble' }))
    expect(texts('.now')).toEqual([])
  })

  test.each([
    ['warm', { kind: 'warm', since: 1 }, 'Unload'],
    ['cold', { kind: 'cold', reason: null }, 'Load'],
    ['loading', { kind: 'loading', since: 1, expected: null }, 'Loading…'],
    ['unreachable', { kind: 'unreachable', reason: 'refused' }, ''],
    ['missing', { kind: 'missing' }, ''],
  ] as const)('%s: the button says what it does', (_name, state, button) => {
    show(states.warm({ models: [states.minimax(state), states.opus()] }))
    expect(text(`${row(states.MINIMAX)} button`)).toBe(button)
    expect(text(`${row(states.OPUS)} button`)).toBe('')
  })

  test('a bar only while it loads', () => {
    show(states.warm())
    expect(document.querySelector('[role=progressbar]')).toBeNull()
    show(states.loading())
    const bar = document.querySelector('[role=progressbar]')
    expect(Number(bar?.getAttribute('aria-valuenow'))).toBeGreaterThanOrEqual(40)
    expect(bar?.getAttribute('aria-label')).toBe('MiniMax is loading')
  })

  test('kept warm is said of a warm model only', () => {
    show(states.warm())
    expect(text(`${row(states.MINIMAX)} .state`)).toBe('warm · 196k of 196k context loaded · kept warm')
    show(states.loading())
    expect(text(`${row(states.MINIMAX)} .state`)).not.toContain('kept warm')
  })
})

describe('choosing a primary', () => {
  const radio = (ref: string) => document.querySelector<HTMLInputElement>(`${row(ref)} input`)!

  test('shows at once, and goes back when it is refused', async () => {
    show(states.warm())
    expect(radio(states.MINIMAX).checked).toBe(true)
    radio(states.OPUS).click()
    flushSync()
    expect(backend.commands).toEqual([['use', states.OPUS]])
    expect(text(`${row(states.OPUS)} label`)).toBe('Making primary…')
    expect(radio(states.OPUS).checked).toBe(true)
    await backend.refuse('The file is read-only.')
    flushSync()
    expect([radio(states.OPUS).checked, radio(states.MINIMAX).checked]).toEqual([false, true])
    expect(text('[role=alert]')).toBe('Opus was not made the primary The file is read-only.')
  })

  test('is not possible without a connection', () => {
    show(states.warm())
    backend.connection({ kind: 'lost', detail: 'It does not answer.', retryAt: Date.now() + 4_000 })
    flushSync()
    expect(radio(states.OPUS).disabled).toBe(true)
    document.querySelector<HTMLButtonElement>(`${row(states.MINIMAX)} button`)!.click()
    expect(backend.commands).toEqual([])
    expect(text('.disconnected')).toContain('Trying again in 4 s. Below is what was last known.')
  })
})

describe('requests', () => {
  test('under way: what was asked, of whom, and what it does', () => {
    show(states.loading())
    expect(texts('[aria-label="Under way"] .doing')).toEqual(['MiniMax, waiting for it to load', 'Opus, streaming'])
  })

  test('finished: each with who, why and how it ended', () => {
    show(states.warm())
    const rows = [1, 2, 3, 4, 5, 6].map((row) => texts(`tbody tr:nth-child(${row}) td`).slice(1))
    expect(rows[1]).toEqual(['primary', 'Opus not MiniMax: loading for 12 s', '1.2 s', '14.8 s', '11,208 in, → 1,204 out', '$0.086', 'served'])
    expect(rows[3]).toEqual(['primary', 'nobody MiniMax: connection refused Opus: 529 overloaded', '–', '212 ms', '–', '–', 'failed, 503'])
    expect(rows.map((cells) => cells.at(-1))).toEqual(['served', 'served', 'served', 'failed, 503', 'cut off', 'client left'])
  })

  test('the first ten, and all of them when asked', () => {
    show(states.warm({ recent: Array.from({ length: 50 }, (_, index) => states.served({ id: 0, started: Date.now() - index })) }))
    expect(texts('tbody tr')).toHaveLength(10)
    const more = document.querySelector<HTMLButtonElement>('.more')!
    expect(more.textContent?.trim()).toBe('Show all 50')
    more.click()
    flushSync()
    expect(texts('tbody tr')).toHaveLength(50)
  })

  test('none yet: a line to try', () => {
    show(states.fresh())
    expect(text('.try pre')).toContain('curl http://127.0.0.1:11235/v1/responses')
    show(states.empty())
    expect(document.querySelector('.try')).toBeNull()
    expect(document.querySelector('.empty a')?.getAttribute('href')).toBe('#models')
  })
})

describe('what is wrong', () => {
  test('a mistake: where, what, and that the last good one is in force', () => {
    show(states.trouble())
    expect(text('.problems .title')).toBe('The configuration file has a mistake. The last good configuration is in force.')
    expect(texts('.problems li')).toEqual([
      'A comma is missing between two members: put one after the value in line 11. /home/ada/.openclaw/openclaw.json:12:7',
      'warning: OPENROUTER_API_KEY is not set, so openrouter will refuse every request: set it, or put the key here. /home/ada/.openclaw/openclaw.json:31:17 models.providers.openrouter.apiKey',
    ])
    show(states.warm())
    expect(document.querySelector('.problems')).toBeNull()
  })

  test('a warning alone does not claim a mistake', () => {
    show(states.empty())
    expect(text('.problems .title')).toBe('One thing to look at in the configuration')
  })

  test('a runtime that does not answer, and what to do', () => {
    show(states.hosted())
    expect(text('.runtime')).toContain('LM Studio does not answer http://127.0.0.1:1234: connection refused')
    expect(text('.runtime .command')).toBe('lms server start')
    show(states.warm())
    expect(document.querySelector('.runtime')).toBeNull()
  })

  test('a refused token asks for another one', () => {
    backend.connection({ kind: 'refused', detail: 'This token is not the one.' })
    flushSync()
    expect(text('h1')).toBe('A token is needed')
    expect(document.querySelector('input[type=password]')).not.toBeNull()
  })
})
