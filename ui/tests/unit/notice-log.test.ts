// The log of notices: what can still be done about one, and what is muted.
import { flushSync, mount, unmount } from 'svelte'
import { afterEach, beforeEach, expect, test } from 'vitest'
import App from '../../src/App.svelte'
import { Session } from '../../src/lib/session.svelte'
import * as states from '../fixtures/states'
import { FakeBackend } from './fake-backend'

let backend: FakeBackend
let app: Record<string, unknown>

beforeEach(() => {
  backend = new FakeBackend()
  app = mount(App, { target: document.body, props: { session: new Session(backend) } })
  flushSync()
  backend.publish(states.told())
  flushSync()
})
afterEach(() => unmount(app))

const words = (element: Element) => (element.textContent ?? '').replace(/\s+/g, ' ').trim()
const button = (name: string) => document.querySelector<HTMLButtonElement>(`[aria-labelledby=notices] button[aria-label="${name}"]`)!

test('the newest word on a model can be acted on, an older one only muted', () => {
  const rows = [...document.querySelectorAll('[aria-label=Notices] li')]
  expect(rows.map((row) => [...row.querySelectorAll('button')].map(words))).toEqual([
    ['Reload', 'Use Opus', 'Mute for an hour'],
    ['Mute for an hour'],
    [],
  ])
  expect(words(rows[2]!)).toContain('kept quiet')
  button('Reload: MiniMax was unloaded').click()
  expect(backend.commands).toEqual([['reload', '3']])
})

test('what is muted is said, and can be shown again', () => {
  expect(words(document.querySelector('.muted-kind')!)).toMatch(/^Hosted models that answer instead: not shown until/)
  document.querySelector<HTMLButtonElement>('.muted-kind button')!.click()
  expect(backend.commands).toEqual([['unmute', 'hosted-meanwhile']])
})

test('an action that is refused says why', async () => {
  button('Use Opus: MiniMax was unloaded').click()
  await backend.refuse('The file may not be written.')
  flushSync()
  expect(words(document.body)).toContain('The file may not be written.')
})
