import { beforeEach, expect, test, vi } from 'vitest'
import { Session } from '../../src/lib/session.svelte'
import * as states from '../fixtures/states'
import { FakeBackend } from './fake-backend'

let backend: FakeBackend
let session: Session

beforeEach(() => {
  backend = new FakeBackend()
  session = new Session(backend)
  session.start()
  backend.publish(states.warm())
})

test('a choice shows at once, and is the engine’s as soon as the engine agrees', async () => {
  void session.makePrimary(states.OPUS, 'Opus')
  expect([session.primary, session.choice]).toEqual([states.OPUS, states.OPUS])
  backend.publish(states.warm({ chain: [states.OPUS] }))
  expect([session.primary, session.choice]).toEqual([states.OPUS, null])
  await backend.done()
  expect(backend.commands).toEqual([['use', states.OPUS]])
})

test('a refused choice goes back, with why', async () => {
  void session.makePrimary(states.OPUS, 'Opus')
  await backend.refuse('The file is read-only.')
  expect([session.primary, session.choice]).toEqual([states.MINIMAX, null])
  expect(session.refusal).toEqual({ title: 'Opus was not made the primary', detail: 'The file is read-only.' })
  session.dismiss()
  expect(session.refusal).toBeNull()
})

test('a choice that the engine never agrees with is not shown for ever', async () => {
  vi.useFakeTimers()
  void session.makePrimary(states.OPUS, 'Opus')
  await backend.done()
  expect(session.primary).toBe(states.OPUS)
  vi.advanceTimersByTime(3_000)
  expect(session.primary).toBe(states.MINIMAX)
  vi.useRealTimers()
})

test('the primary itself is not asked for again', async () => {
  await session.makePrimary(states.MINIMAX, 'MiniMax')
  expect(backend.commands).toEqual([])
})

test('a load is asked for once, and a later success clears an earlier refusal', async () => {
  void session.load(states.QWEN, 'Qwen3 8B')
  void session.load(states.QWEN, 'Qwen3 8B')
  expect(backend.commands).toEqual([['load', states.QWEN]])
  expect(session.asked.get(states.QWEN)).toBe('load')
  await backend.refuse('Not enough memory.')
  expect(session.asked.has(states.QWEN)).toBe(false)
  expect(session.refusal?.title).toBe('Qwen3 8B was not loaded')
  void session.unload(states.MINIMAX, 'MiniMax')
  await backend.done()
  expect(session.refusal).toBeNull()
})
