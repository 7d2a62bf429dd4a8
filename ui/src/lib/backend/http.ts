// The engine over HTTP, for a browser: `pilotlight serve` on a machine without a desktop.
import type { AppState } from '../bindings/AppState'
import type { NoticeActionKind } from '../bindings/NoticeActionKind'
import type { NoticeKind } from '../bindings/NoticeKind'
import type { ConnectOutcome } from '../bindings/ConnectOutcome'
import type { ConnectRequest } from '../bindings/ConnectRequest'
import type { SettingChange } from '../bindings/SettingChange'
import type { SettingsDocument } from '../bindings/SettingsDocument'
import type { ToolView } from '../bindings/ToolView'
import type { Verification } from '../bindings/Verification'
import type { Body } from '../models/draft'
import type {
  ConfigDocument,
  ConfigPreview,
  HistoryEntry,
  KeyChange,
  KeyKept,
  ListedModel,
  ProviderSubject,
  ProviderTest,
  Saved,
} from '../models/types'
import { CommandError, type Backend, type Connection, type ContextMend } from './backend'
import { toCommandError } from './command-error'
import { SseParser } from './sse'

const TOKEN_KEY = 'pilotlight-token'
/** Waits between attempts to connect, in milliseconds; the last one repeats. */
const WAITS = [500, 1_000, 2_000, 5_000]
/** A stream that lived this long was a good one: its end is followed by one silent attempt to go on. */
const LIVED = 3_000
/** How long the first answer may take. */
const CONNECT = 10_000
/** Silence after which a stream is taken for dead (a laptop that slept keeps such sockets open). */
const SILENCE = 45_000

/**
 * The token of the address's fragment, `#token=…`, or the one kept from before. It is taken out of the address bar,
 * so that it does not end up in a bookmark, the history or a screenshot.
 */
export function takeToken(page: Pick<Window, 'location' | 'history' | 'sessionStorage'>): string | null {
  const fragment = new URLSearchParams(page.location.hash.slice(1))
  const token = fragment.get('token')
  if (token === null) return page.sessionStorage.getItem(TOKEN_KEY)
  page.sessionStorage.setItem(TOKEN_KEY, token)
  fragment.delete('token')
  const rest = fragment.toString()
  page.history.replaceState(page.history.state, '', page.location.pathname + page.location.search + (rest ? `#${rest}` : ''))
  return token
}

export interface HttpOptions {
  token: string | null
  /** The engine's address without a slash at the end; the page's own where left out. */
  origin?: string
}

export class HttpBackend implements Backend {
  readonly #origin: string
  #token: string | null
  #wake: () => void = () => undefined

  constructor(options: HttpOptions) {
    this.#origin = options.origin ?? window.location.origin
    this.#token = options.token
  }

  subscribe(onState: (state: AppState) => void, onConnection: (connection: Connection) => void): () => void {
    const ended = new AbortController()
    const wake = () => this.#wake()
    window.addEventListener('online', wake)
    void this.#follow(onState, onConnection, ended.signal)
    return () => {
      window.removeEventListener('online', wake)
      ended.abort()
      this.#wake()
    }
  }

  async useModel(model: string): Promise<void> {
    await this.#ask('use', { model })
  }

  async load(model: string): Promise<void> {
    await this.#ask('load', { model })
  }

  async unload(model: string): Promise<void> {
    await this.#ask('unload', { model })
  }

  async mendContext(model: string, mend: ContextMend): Promise<void> {
    await this.#ask('context', { model, mend })
  }

  async noticeAction(id: number, action: NoticeActionKind): Promise<void> {
    await this.#ask('notice', { id, action })
  }

  async unmute(kind: NoticeKind): Promise<void> {
    await this.#ask('unmute', { kind })
  }

  async retryUpstreams(provider: string | null): Promise<void> {
    await this.#ask('retry', { provider })
  }

  config(): Promise<ConfigDocument> {
    return this.#read('config')
  }

  configPreview(draft: Body): Promise<ConfigPreview> {
    return this.#answer('config/preview', draft)
  }

  configSave(draft: Body, label: string): Promise<Saved> {
    return this.#answer('config/save', { ...draft, label })
  }

  configUndo(): Promise<Saved> {
    return this.#answer('config/undo', {})
  }

  configRedo(): Promise<Saved> {
    return this.#answer('config/redo', {})
  }

  configRestore(revision: string): Promise<Saved> {
    return this.#answer('config/restore', { revision })
  }

  configRestoreComments(): Promise<Saved> {
    return this.#answer('config/restore-comments', {})
  }

  async configDismissComments(): Promise<void> {
    await this.#answer('config/dismiss-comments', {})
  }

  configHistory(): Promise<HistoryEntry[]> {
    return this.#read('config/history')
  }

  providerTest(subject: ProviderSubject): Promise<ProviderTest> {
    return this.#answer('provider/test', subject)
  }

  providerModels(subject: ProviderSubject): Promise<ListedModel[]> {
    return this.#answer('provider/models', subject)
  }

  providerKey(change: KeyChange): Promise<KeyKept> {
    return this.#answer('provider/key', change)
  }

  connectTools(): Promise<ToolView[]> {
    return this.#read('connect')
  }

  connectPreview(request: ConnectRequest): Promise<ConnectOutcome> {
    return this.#answer('connect/preview', request)
  }

  connectApply(request: ConnectRequest): Promise<ConnectOutcome> {
    return this.#answer('connect/apply', request)
  }

  connectVerify(request: ConnectRequest): Promise<Verification> {
    return this.#answer('connect/verify', request)
  }

  settings(): Promise<SettingsDocument> {
    return this.#read('settings')
  }

  settingsSet(change: SettingChange): Promise<SettingsDocument> {
    return this.#answer('settings/set', change)
  }

  useToken(token: string): void {
    this.#token = token
    window.sessionStorage.setItem(TOKEN_KEY, token)
    this.#wake()
  }

  retry(): void {
    this.#wake()
  }

  /** Connects, and connects again, until `ended`. */
  async #follow(
    onState: (state: AppState) => void,
    onConnection: (connection: Connection) => void,
    ended: AbortSignal,
  ): Promise<void> {
    let failures = 0
    while (!ended.aborted) {
      let began = Infinity
      let error: CommandError
      try {
        await this.#stream((state) => {
          began = Math.min(began, Date.now())
          onConnection({ kind: 'connected' })
          onState(state)
        }, ended)
        error = new CommandError('ended', `${this.#host} closed the connection.`)
      } catch (thrown) {
        error = toCommandError(thrown)
      }
      if (ended.aborted) return
      if (error.code === 'unauthorized') {
        onConnection({ kind: 'refused', detail: error.message })
        await this.#pause(Infinity)
        failures = 0
        continue
      }
      if (Date.now() - began >= LIVED) {
        failures = 0
        continue
      }
      const wait = WAITS[Math.min(failures, WAITS.length - 1)] ?? 0
      failures += 1
      onConnection({ kind: 'lost', detail: error.message, retryAt: Date.now() + wait })
      await this.#pause(wait)
    }
  }

  /** One connection: the present state, then every change. Returns when the server ends it. */
  async #stream(onState: (state: AppState) => void, ended: AbortSignal): Promise<void> {
    const cut = new AbortController()
    const stop = () => cut.abort()
    ended.addEventListener('abort', stop, { once: true })
    let silence = setTimeout(stop, CONNECT)
    try {
      const first = await this.#fetch('state', { signal: cut.signal })
      onState((await first.json()) as AppState)
      const response = await this.#fetch('events', { signal: cut.signal, headers: { accept: 'text/event-stream' } })
      if (!response.body) throw new CommandError('no-stream', `${this.#host} sent no stream.`)
      clearTimeout(silence)
      silence = setTimeout(stop, SILENCE)
      const reader = response.body.getReader()
      const decoder = new TextDecoder()
      const parser = new SseParser()
      for (;;) {
        const { done, value } = await reader.read()
        if (done) return
        clearTimeout(silence)
        silence = setTimeout(stop, SILENCE)
        for (const data of parser.push(decoder.decode(value, { stream: true }))) onState(JSON.parse(data) as AppState)
      }
    } catch (thrown) {
      if (thrown instanceof CommandError) throw thrown
      throw new CommandError('unreachable', `${this.#host} does not answer.`)
    } finally {
      clearTimeout(silence)
      ended.removeEventListener('abort', stop)
      cut.abort()
    }
  }

  async #read<T>(path: string): Promise<T> {
    return (await this.#reach(path, {})).json() as Promise<T>
  }

  async #answer<T>(path: string, body: object): Promise<T> {
    return (await this.#ask(path, body)).json() as Promise<T>
  }

  #ask(path: string, body: object): Promise<Response> {
    return this.#reach(path, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) })
  }

  async #reach(path: string, init: RequestInit): Promise<Response> {
    try {
      return await this.#fetch(path, init)
    } catch (thrown) {
      if (thrown instanceof CommandError) throw thrown
      throw new CommandError('unreachable', `${this.#host} does not answer.`)
    }
  }

  async #fetch(path: string, init: RequestInit): Promise<Response> {
    const headers = new Headers(init.headers)
    if (this.#token !== null) headers.set('authorization', `Bearer ${this.#token}`)
    const response = await fetch(`${this.#origin}/pilotlight/${path}`, { ...init, headers, cache: 'no-store' })
    if (response.ok) return response
    const body: unknown = await response.json().catch(() => null)
    const error = toCommandError(body, `status-${response.status}`, `${this.#host} answered ${response.status}.`)
    throw response.status === 401 ? new CommandError('unauthorized', error.message) : error
  }

  /** Waits so many milliseconds, or until something wakes it. */
  #pause(milliseconds: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = Number.isFinite(milliseconds) ? setTimeout(resolve, milliseconds) : undefined
      this.#wake = () => {
        clearTimeout(timer)
        resolve()
      }
    })
  }

  get #host(): string {
    return new URL(this.#origin).host
  }
}
