// A double of the engine's HTTP interface, for the window alone: it serves the built page under a strict
// content security policy, and states that a test changes while the page watches. Never shipped.
import { createReadStream, existsSync } from 'node:fs'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import { extname, join, normalize } from 'node:path'
import { fileURLToPath } from 'node:url'
import { CommandError } from '../../src/lib/backend/backend'
import type { AppState } from '../../src/lib/bindings/AppState'
import type { Body } from '../../src/lib/models/draft'
import type { KeyChange } from '../../src/lib/models/types'
import type { ConnectRequest } from '../../src/lib/bindings/ConnectRequest'
import type { SettingChange } from '../../src/lib/bindings/SettingChange'
import { ConfigDouble } from '../fixtures/configuration'
import { ConnectionsDouble } from '../fixtures/connections'
import { SettingsDouble } from '../fixtures/settings'

const DIST = fileURLToPath(new URL('../../dist/', import.meta.url))
const TYPES: Record<string, string> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript',
  '.css': 'text/css',
  '.svg': 'image/svg+xml',
}
/** No wider than any policy that the page is really served under. The text editor writes its styles itself. */
const POLICY = "default-src 'self'; style-src 'self' 'unsafe-inline'"

export interface Command {
  name: 'use' | 'load' | 'unload'
  model: string
}

type Asked = Body & KeyChange & ConnectRequest & SettingChange & { label?: string }

export class EngineDouble {
  readonly token = 'pl-test-token'
  /** What was commanded, in order. */
  readonly commands: Command[] = []
  /** Carries out a command; may throw `{code, message}`. */
  onCommand: (command: Command) => Promise<void> | void = () => undefined
  /** The configuration, to look at and to edit. A write is published like the engine's. */
  config = new ConfigDouble()
  /** Other tools. */
  readonly connections = new ConnectionsDouble()
  /** Our settings. */
  readonly settings = new SettingsDouble()
  #state: AppState
  #server: Server
  #port = 0
  #listeners = new Set<ServerResponse>()
  #sockets = new Set<Socket>()

  private constructor(state: AppState) {
    this.#state = state
    this.#server = createServer((request, response) => void this.#answer(request, response))
    this.#server.on('connection', (socket) => {
      this.#sockets.add(socket)
      socket.on('close', () => this.#sockets.delete(socket))
    })
  }

  static async start(state: AppState): Promise<EngineDouble> {
    const double = new EngineDouble(state)
    await double.comeBack()
    return double
  }

  get origin(): string {
    return `http://127.0.0.1:${this.#port}`
  }

  /** The page's address, without the token. */
  get bare(): string {
    return `${this.origin}/ui/`
  }

  /** The address that is printed for a person. */
  get page(): string {
    return `${this.bare}#token=${this.token}`
  }

  get state(): AppState {
    return this.#state
  }

  set state(state: AppState) {
    this.#state = state
    for (const listener of this.#listeners) listener.write(event(state))
  }

  /** Stops listening and cuts every connection. */
  async goAway(): Promise<void> {
    const closed = new Promise((resolve) => this.#server.close(resolve))
    for (const socket of this.#sockets) socket.destroy()
    await closed
  }

  /** Listens again, on the same port. */
  async comeBack(): Promise<void> {
    await new Promise<void>((resolve) => this.#server.listen(this.#port, '127.0.0.1', resolve))
    this.#port = (this.#server.address() as AddressInfo).port
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { pathname } = new URL(request.url ?? '/', this.origin)
    if (pathname.startsWith('/ui/')) return this.#file(pathname.slice('/ui'.length), response)
    if (!pathname.startsWith('/pilotlight/')) return json(response, 404, { code: 'not-found', message: pathname })
    if (request.headers.authorization !== `Bearer ${this.token}`) {
      return json(response, 401, { code: 'unauthorized', message: 'This token is not the one of this Pilot Light.' })
    }
    const name = pathname.slice('/pilotlight/'.length)
    if (request.method === 'GET' && name === 'state') return json(response, 200, this.#state)
    if (request.method === 'GET' && name === 'events') {
      response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store' })
      response.write(event(this.#state))
      this.#listeners.add(response)
      response.on('close', () => this.#listeners.delete(response))
      return
    }
    if (request.method === 'POST' && (name === 'use' || name === 'load' || name === 'unload')) {
      const { model } = JSON.parse(await text(request)) as { model: string }
      this.commands.push({ name, model })
      try {
        await this.onCommand({ name, model })
        json(response, 200, {})
      } catch (refused) {
        json(response, 409, refused)
      }
      return
    }
    const ask = this.#editor(name, request.method === 'POST' ? (JSON.parse(await text(request)) as Asked) : null)
    if (!ask) return json(response, 404, { code: 'not-found', message: pathname })
    try {
      json(response, 200, (await ask()) ?? {})
    } catch (thrown) {
      const { code, message, details } = thrown as CommandError
      if (!(thrown instanceof CommandError)) console.error(thrown)
      json(response, code === 'conflict' ? 409 : 422, { code, message, details })
    }
  }

  /** What answers a question of the Models, Connect or Settings page. */
  #editor(name: string, body: Asked | null): (() => Promise<unknown>) | undefined {
    const { config, connections, settings } = this
    config.onWrite = (revision) => {
      this.state = { ...this.#state, config: { ...this.#state.config, revision } }
    }
    if (body === null) {
      return {
        config: () => config.config(),
        'config/history': () => config.configHistory(),
        connect: () => connections.connectTools(),
        settings: () => settings.settings(),
      }[name]
    }
    const { label = '', ...draft } = body
    return {
      'config/preview': () => config.configPreview(draft),
      'config/save': () => config.configSave(draft, label),
      'config/undo': () => config.configUndo(),
      'config/redo': () => config.configRedo(),
      'config/restore': () => config.configRestore(body.revision),
      'config/restore-comments': () => config.configRestoreComments(),
      'config/dismiss-comments': () => config.configDismissComments(),
      'provider/test': () => config.providerTest(body),
      'provider/models': () => config.providerModels(body),
      'provider/key': () => config.providerKey(body),
      'connect/preview': () => connections.connectPreview(body),
      'connect/apply': () => connections.connectApply(body),
      'connect/verify': () => connections.connectVerify(),
      'settings/set': () => settings.settingsSet(body),
    }[name]
  }

  #file(pathname: string, response: ServerResponse): void {
    const path = join(DIST, normalize(pathname === '/' ? '/index.html' : pathname))
    if (!path.startsWith(DIST) || !existsSync(path)) {
      response.writeHead(404).end()
      return
    }
    response.writeHead(200, {
      'content-type': TYPES[extname(path)] ?? 'application/octet-stream',
      'content-security-policy': POLICY,
    })
    createReadStream(path).pipe(response)
  }
}

function event(state: AppState): string {
  return `event: state\ndata: ${JSON.stringify(state)}\n\n`
}

function json(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body))
}

async function text(request: IncomingMessage): Promise<string> {
  let all = ''
  for await (const piece of request) all += String(piece)
  return all
}
