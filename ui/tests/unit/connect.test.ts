// The Connect page as a person or a screen reader finds it.
import { flushSync, mount, unmount } from 'svelte'
import { afterEach, beforeEach, expect, test } from 'vitest'
import Connect from '../../src/lib/connect/Connect.svelte'
import { resultOf } from '../../src/lib/connect/words'
import { Session } from '../../src/lib/session.svelte'
import { FakeBackend } from './fake-backend'

let backend: FakeBackend
let page: Record<string, unknown> | undefined

const squeeze = (element: Element | null | undefined) => (element?.textContent ?? '').replace(/\s+/g, ' ').trim()
const settle = async () => {
  for (let turn = 0; turn < 20; turn += 1) await Promise.resolve()
  flushSync()
}
const card = (tool: string) => document.querySelector<HTMLElement>(`[data-tool=${tool}]`)!
const buttons = (tool: string) => [...card(tool).querySelectorAll('button')].map(squeeze)
const press = async (tool: string, name: string) => {
  const found = [...card(tool).querySelectorAll('button')].find((button) => squeeze(button) === name)
  expect(found, `${name} among ${buttons(tool).join(', ')}`).toBeDefined()
  found!.click()
  await settle()
}

beforeEach(async () => {
  backend = new FakeBackend()
  page = mount(Connect, { target: document.body, props: { session: new Session(backend) } })
  flushSync()
  await settle()
})
afterEach(async () => {
  if (page) await unmount(page)
})

test('each tool: its name, how it stands, its file, what is worth knowing, and what can be done', () => {
  expect([...document.querySelectorAll('article header')].map(squeeze)).toEqual([
    'OpenClaw out of date',
    'Codex not connected',
    'Claude Code connected',
    'opencode not found',
  ])
  expect(squeeze(card('openclaw').querySelector('.notes'))).toContain('connect it again')
  expect(buttons('openclaw')).toEqual(['Connect again OpenClaw', 'Disconnect OpenClaw', 'Show the difference for OpenClaw'])
  expect(buttons('codex')).toEqual(['Connect Codex', 'Show the difference for Codex'])
  expect(buttons('claude-code')).toEqual(['Try it: one small request as Claude Code', 'Disconnect Claude Code', 'Show the difference for Claude Code'])
})

test('the difference is shown and hidden again, and nothing is written', async () => {
  await press('codex', 'Show the difference for Codex')
  expect(card('codex').querySelector('[role=region]')!.getAttribute('aria-label')).toBe('What connecting Codex changes')
  expect(squeeze(card('codex'))).toContain('model_provider = "pilotlight"')
  await press('codex', 'Hide the difference for Codex')
  expect(card('codex').querySelector('[role=region]')).toBeNull()
  await press('claude-code', 'Show the difference for Claude Code')
  expect(card('claude-code').querySelector('[role=region]')!.getAttribute('aria-label')).toBe('What disconnecting Claude Code changes')
  expect(backend.connections.applied).toEqual([])
})

test('connecting writes, tries it, and says what came of it; disconnecting takes it back', async () => {
  await press('codex', 'Connect Codex')
  expect(squeeze(card('codex').querySelector('[role=status]'))).toBe(
    'Codex is connected. Written: /home/me/.codex/config.toml It works: lmstudio/minimax-m2.1-gs32 answered in 0.8 s.',
  )
  expect(squeeze(card('codex').querySelector('.state'))).toBe('connected')
  await press('codex', 'Disconnect Codex')
  expect(squeeze(card('codex').querySelector('[role=status]'))).toContain('Codex is disconnected.')
  expect(backend.connections.applied).toEqual([
    { tool: 'codex', disconnect: false },
    { tool: 'codex', disconnect: true },
  ])
})

test('what cannot be done is said, and can be tried again', async () => {
  backend.connections.refusal = '/home/me/.codex/config.toml cannot be edited: it is no TOML'
  await press('codex', 'Connect Codex')
  expect(squeeze(card('codex').querySelector('[role=status]'))).toBe(backend.connections.refusal)
  expect(squeeze(card('codex').querySelector('.state'))).toBe('not connected')
  backend.connections.refusal = null
  backend.connections.verification = { ok: false, model: null, milliseconds: 20, message: 'no model could answer' }
  await press('codex', 'Connect Codex')
  expect(squeeze(card('codex').querySelector('[role=status]'))).toContain('It does not work yet: no model could answer')
})

test('what changed while the window was away is seen when it comes back', async () => {
  backend.connections.tools = backend.connections.tools.filter((tool) => tool.tool === 'codex')
  window.dispatchEvent(new Event('focus'))
  await settle()
  expect(document.querySelectorAll('article')).toHaveLength(1)
})

test('an answer without the name of a model is an answer', () => {
  expect(resultOf({ ok: true, model: null, milliseconds: 1240, message: null })).toBe('It works: a model answered in 1.2 s.')
})
