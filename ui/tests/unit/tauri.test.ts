import { beforeEach, expect, test, vi } from 'vitest'
import type { AppState } from '../../src/lib/bindings/AppState'
import type { Connection } from '../../src/lib/backend/backend'
import * as states from '../fixtures/states'

const ipc = vi.hoisted(() => ({ invoke: vi.fn(), listen: vi.fn() }))
vi.mock('@tauri-apps/api/core', () => ({ invoke: ipc.invoke }))
vi.mock('@tauri-apps/api/event', () => ({ listen: ipc.listen }))

const { TauriBackend } = await import('../../src/lib/backend/tauri')

let emit: (state: AppState) => void
const unlisten = vi.fn()

beforeEach(() => {
  vi.resetAllMocks()
  ipc.listen.mockImplementation((_name: string, callback: (event: { payload: AppState }) => void) => {
    emit = (payload) => callback({ payload })
    return Promise.resolve(unlisten)
  })
})

function follow() {
  const statuses: string[] = []
  const connections: Connection[] = []
  const end = new TauriBackend().subscribe(
    (state) => statuses.push(state.status),
    (connection) => connections.push(connection),
  )
  return { statuses, connections, end }
}

test('the present state, then every event, until it is ended', async () => {
  ipc.invoke.mockResolvedValue(states.warm({ status: 'first' }))
  const { statuses, connections, end } = follow()
  await vi.waitFor(() => expect(statuses).toEqual(['first']))
  emit(states.warm({ status: 'second' }))
  expect(statuses).toEqual(['first', 'second'])
  expect(connections.at(-1)).toEqual({ kind: 'connected' })
  end()
  emit(states.warm({ status: 'third' }))
  await vi.waitFor(() => expect(unlisten).toHaveBeenCalledOnce())
  expect(statuses).toEqual(['first', 'second'])
  expect(ipc.listen).toHaveBeenCalledWith('state', expect.any(Function))
})

test('an answer older than an event is not shown', async () => {
  let answer: (state: AppState) => void = () => undefined
  ipc.invoke.mockReturnValue(new Promise((resolve) => (answer = resolve)))
  const { statuses } = follow()
  await vi.waitFor(() => expect(ipc.invoke).toHaveBeenCalledWith('state'))
  emit(states.warm({ status: 'new' }))
  answer(states.warm({ status: 'old' }))
  await Promise.resolve()
  await Promise.resolve()
  expect(statuses).toEqual(['new'])
})

test('says when there is no state to be had, and asks again', async () => {
  vi.useFakeTimers()
  ipc.invoke.mockRejectedValueOnce('the engine is starting').mockResolvedValue(states.warm({ status: 'up' }))
  const { statuses, connections } = follow()
  await vi.advanceTimersByTimeAsync(0)
  expect(connections).toMatchObject([{ kind: 'lost', detail: 'the engine is starting' }])
  await vi.advanceTimersByTimeAsync(1_000)
  expect(statuses).toEqual(['up'])
  vi.useRealTimers()
})

test('commands by name, and the engine’s refusals', async () => {
  const backend = new TauriBackend()
  ipc.invoke.mockResolvedValue(undefined)
  await backend.useModel('Opus')
  await backend.load('a/b')
  await backend.unload('a/b')
  await backend.retryUpstreams('openrouter')
  await backend.noticeAction(7, 'reload')
  await backend.unmute('unloaded')
  await backend.copyEndpoint()
  expect(ipc.invoke.mock.calls).toEqual([
    ['use_model', { model: 'Opus' }],
    ['load_model', { model: 'a/b' }],
    ['unload_model', { model: 'a/b' }],
    ['retry_upstreams', { provider: 'openrouter' }],
    ['notice_action', { id: 7, action: 'reload' }],
    ['unmute', { kind: 'unloaded' }],
    ['endpoint_to_clipboard', undefined],
  ])
  ipc.invoke.mockRejectedValue({ code: 'read-only', message: 'The file may not be written.' })
  await expect(backend.useModel('Opus')).rejects.toMatchObject({ code: 'read-only', message: 'The file may not be written.' })
})

test('the editor’s commands: one parameter, and what a conflict brings', async () => {
  const backend = new TauriBackend()
  ipc.invoke.mockResolvedValue({ revision: 'r2' })
  const draft = { revision: 'r1', edits: [] }
  await backend.config()
  await backend.configPreview(draft)
  expect(await backend.configSave(draft, 'Mode')).toEqual({ revision: 'r2' })
  await backend.configUndo()
  await backend.configRedo()
  await backend.configRestore('r1')
  await backend.configRestoreComments()
  await backend.configDismissComments()
  await backend.configHistory()
  await backend.providerTest({ provider: 'a' })
  await backend.providerModels({ provider: 'a' })
  await backend.providerKey({ provider: 'a', place: 'keychain', value: 'k' })
  await backend.connectTools()
  await backend.connectPreview({ tool: 'codex', disconnect: true })
  await backend.connectApply({ tool: 'codex', disconnect: false })
  await backend.connectVerify({ tool: 'codex', disconnect: false })
  await backend.settings()
  await backend.settingsSet({ path: ['keeper', 'poll'], value: '2s' })
  expect(ipc.invoke.mock.calls).toEqual([
    ['config', undefined],
    ['config_preview', { request: draft }],
    ['config_save', { request: { ...draft, label: 'Mode' } }],
    ['config_undo', undefined],
    ['config_redo', undefined],
    ['config_restore', { request: { revision: 'r1' } }],
    ['config_restore_comments', undefined],
    ['config_dismiss_comments', undefined],
    ['config_history', undefined],
    ['provider_test', { request: { provider: 'a' } }],
    ['provider_models', { request: { provider: 'a' } }],
    ['provider_key', { request: { provider: 'a', place: 'keychain', value: 'k' } }],
    ['connect_tools', undefined],
    ['connect_preview', { request: { tool: 'codex', disconnect: true } }],
    ['connect_apply', { request: { tool: 'codex', disconnect: false } }],
    ['connect_verify', { request: { tool: 'codex', disconnect: false } }],
    ['settings', undefined],
    ['settings_set', { request: { path: ['keeper', 'poll'], value: '2s' } }],
  ])
  const details = { files: [{ path: '/f', ours: 'a', theirs: 'b' }] }
  ipc.invoke.mockRejectedValue({ code: 'conflict', message: 'It changed.', details })
  await expect(backend.configSave(draft, '')).rejects.toMatchObject({ code: 'conflict', details })
})
