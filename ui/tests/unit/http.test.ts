import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import type { AppState } from '../../src/lib/bindings/AppState'
import type { Connection } from '../../src/lib/backend/backend'
import { HttpBackend, takeToken } from '../../src/lib/backend/http'
import * as states from '../fixtures/states'

const ORIGIN = 'http://127.0.0.1:9'

/** An engine that answers as a test says; its event stream is fed by hand. */
class FakeEngine {
  up = true
  status = 200
  asked: { path: string; method: string; token: string | null; body: unknown }[] = []
  #stream: ReadableStreamDefaultController<Uint8Array> | null = null

  fetch = async (url: string | URL | Request, init: RequestInit = {}): Promise<Response> => {
    const { pathname } = new URL(String(url))
    const headers = new Headers(init.headers)
    const body: unknown = typeof init.body === 'string' ? JSON.parse(init.body) : undefined
    this.asked.push({ path: pathname, method: init.method ?? 'GET', token: headers.get('authorization'), body })
    if (!this.up) throw new TypeError('Failed to fetch')
    if (this.status !== 200) return Response.json({ code: 'no', message: 'It was refused.' }, { status: this.status })
    if (!pathname.endsWith('/events')) return Response.json(states.warm({ status: 'first' }))
    return new Response(
      new ReadableStream<Uint8Array>({
        start: (controller) => {
          this.#stream = controller
          init.signal?.addEventListener('abort', () => controller.error(init.signal?.reason), { once: true })
        },
      }),
    )
  }

  send(state: AppState) {
    this.#stream?.enqueue(new TextEncoder().encode(`data: ${JSON.stringify(state)}\n\n`))
  }

  end() {
    this.#stream?.close()
    this.#stream = null
  }
}

let engine: FakeEngine
let seen: AppState[]
let connections: Connection[]
let end: () => void

const kinds = () => connections.map((connection) => connection.kind)
const settle = () => vi.advanceTimersByTimeAsync(0)

function follow(token: string | null = 'pl-1'): HttpBackend {
  const backend = new HttpBackend({ origin: ORIGIN, token })
  end = backend.subscribe(
    (state) => seen.push(state),
    (connection) => connections.push(connection),
  )
  return backend
}

beforeEach(() => {
  vi.useFakeTimers()
  engine = new FakeEngine()
  seen = []
  connections = []
  vi.stubGlobal('fetch', engine.fetch)
})
afterEach(() => {
  end?.()
  vi.useRealTimers()
})

describe('following the engine', () => {
  test('the present state first, then every change, with the token', async () => {
    follow()
    await settle()
    engine.send(states.warm({ status: 'second' }))
    await settle()
    expect(seen.map((state) => state.status)).toEqual(['first', 'second'])
    expect(kinds().at(-1)).toBe('connected')
    expect(engine.asked.map(({ path, token }) => [path, token])).toEqual([
      ['/pilotlight/state', 'Bearer pl-1'],
      ['/pilotlight/events', 'Bearer pl-1'],
    ])
  })

  test('says when it is lost, waits longer each time, and is back by itself', async () => {
    engine.up = false
    follow()
    const start = Date.now()
    await vi.advanceTimersByTimeAsync(20_000)
    const lost = connections.flatMap((connection) => (connection.kind === 'lost' ? connection : []))
    expect(lost.map((connection) => connection.retryAt - start)).toEqual([500, 1_500, 3_500, 8_500, 13_500, 18_500, 23_500])
    expect(lost[0]?.detail).toBe('127.0.0.1:9 does not answer.')
    engine.up = true
    await vi.advanceTimersByTimeAsync(5_000)
    expect(kinds().at(-1)).toBe('connected')
  })

  test('a person need not wait', async () => {
    engine.up = false
    const backend = follow()
    await vi.advanceTimersByTimeAsync(9_000)
    engine.up = true
    backend.retry()
    await settle()
    expect(kinds().at(-1)).toBe('connected')
  })

  test('a good stream that ends is taken up again without a word, and one that is gone is told of', async () => {
    follow()
    await vi.advanceTimersByTimeAsync(10_000)
    engine.end()
    await settle()
    expect(new Set(kinds())).toEqual(new Set(['connected']))
    expect(engine.asked).toHaveLength(4)
    await vi.advanceTimersByTimeAsync(10_000)
    engine.up = false
    engine.end()
    await settle()
    expect(kinds().at(-1)).toBe('lost')
  })

  test('a stream that ends at once is no reason to hammer', async () => {
    follow()
    await settle()
    engine.end()
    await settle()
    expect(kinds().at(-1)).toBe('lost')
    expect(engine.asked).toHaveLength(2)
  })

  test('silence is taken for a dead connection', async () => {
    follow()
    await vi.advanceTimersByTimeAsync(44_000)
    engine.send(states.warm())
    await vi.advanceTimersByTimeAsync(44_000)
    expect(engine.asked).toHaveLength(2)
    await vi.advanceTimersByTimeAsync(2_000)
    expect(engine.asked).toHaveLength(4)
    expect(kinds()).not.toContain('lost')
  })

  test('a refused token waits for another one', async () => {
    engine.status = 401
    const backend = follow(null)
    await vi.advanceTimersByTimeAsync(60_000)
    expect(connections).toEqual([{ kind: 'refused', detail: 'It was refused.' }])
    expect(engine.asked).toHaveLength(1)
    expect(engine.asked[0]?.token).toBeNull()
    engine.status = 200
    backend.useToken('pl-2')
    await settle()
    expect(kinds().at(-1)).toBe('connected')
    expect(engine.asked.at(-1)?.token).toBe('Bearer pl-2')
  })

  test('ends when it is told to', async () => {
    engine.up = false
    follow()
    await vi.advanceTimersByTimeAsync(600)
    end()
    const before = engine.asked.length
    await vi.advanceTimersByTimeAsync(60_000)
    expect(engine.asked).toHaveLength(before)
  })
})

describe('commands', () => {
  test('each has its path and names the model', async () => {
    const backend = new HttpBackend({ origin: ORIGIN, token: 'pl-1' })
    await backend.useModel('Opus')
    await backend.load(states.MINIMAX)
    await backend.unload(states.MINIMAX)
    await backend.retryUpstreams(null)
    await backend.noticeAction(7, 'mute')
    await backend.unmute('unloaded')
    expect(engine.asked).toEqual([
      { path: '/pilotlight/use', method: 'POST', token: 'Bearer pl-1', body: { model: 'Opus' } },
      { path: '/pilotlight/load', method: 'POST', token: 'Bearer pl-1', body: { model: states.MINIMAX } },
      { path: '/pilotlight/unload', method: 'POST', token: 'Bearer pl-1', body: { model: states.MINIMAX } },
      { path: '/pilotlight/retry', method: 'POST', token: 'Bearer pl-1', body: { provider: null } },
      { path: '/pilotlight/notice', method: 'POST', token: 'Bearer pl-1', body: { id: 7, action: 'mute' } },
      { path: '/pilotlight/unmute', method: 'POST', token: 'Bearer pl-1', body: { kind: 'unloaded' } },
    ])
  })

  test('the editor’s: each has its path, and its answer comes back', async () => {
    const backend = new HttpBackend({ origin: ORIGIN, token: 'pl-1' })
    const draft = { revision: 'r1', edits: [] }
    expect(await backend.config()).toMatchObject({ status: 'first' })
    await backend.configPreview(draft)
    await backend.configSave(draft, 'Mode')
    await backend.configUndo()
    await backend.configRedo()
    await backend.configRestore('r1')
    await backend.configRestoreComments()
    await backend.configDismissComments()
    await backend.configHistory()
    await backend.providerTest({ provider: 'a' })
    await backend.providerModels({ provider: 'a' })
    await backend.providerKey({ provider: 'a', place: 'keychain', value: 'k' })
    expect(engine.asked.map(({ method, path, body }) => [method, path.replace('/pilotlight/', ''), body])).toEqual([
      ['GET', 'config', undefined],
      ['POST', 'config/preview', draft],
      ['POST', 'config/save', { ...draft, label: 'Mode' }],
      ['POST', 'config/undo', {}],
      ['POST', 'config/redo', {}],
      ['POST', 'config/restore', { revision: 'r1' }],
      ['POST', 'config/restore-comments', {}],
      ['POST', 'config/dismiss-comments', {}],
      ['GET', 'config/history', undefined],
      ['POST', 'provider/test', { provider: 'a' }],
      ['POST', 'provider/models', { provider: 'a' }],
      ['POST', 'provider/key', { provider: 'a', place: 'keychain', value: 'k' }],
    ])
  })

  test('reject with the engine’s code and message, or with what was seen', async () => {
    const backend = new HttpBackend({ origin: ORIGIN, token: 'pl-1' })
    engine.status = 409
    await expect(backend.load('x/y')).rejects.toMatchObject({ code: 'no', message: 'It was refused.' })
    engine.up = false
    await expect(backend.load('x/y')).rejects.toMatchObject({ code: 'unreachable', message: '127.0.0.1:9 does not answer.' })
  })
})

describe('the token', () => {
  beforeEach(() => {
    window.sessionStorage.clear()
    window.history.replaceState(null, '', '/')
  })

  test('is taken out of the address and kept for this tab', () => {
    window.history.replaceState(null, '', '/?a=1#token=pl-abc&page=2')
    expect(takeToken(window)).toBe('pl-abc')
    expect(window.location.href).toMatch(/\/\?a=1#page=2$/)
    expect(takeToken(window)).toBe('pl-abc')
  })

  test('is none where none was given', () => expect(takeToken(window)).toBeNull())
})
