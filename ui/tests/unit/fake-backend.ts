// A backend that a test drives by hand.
import type { AppState } from '../../src/lib/bindings/AppState'
import { CommandError, type Backend, type Connection } from '../../src/lib/backend/backend'
import { ConfigDouble } from '../fixtures/configuration'
import { ConnectionsDouble } from '../fixtures/connections'
import { SettingsDouble } from '../fixtures/settings'

export class FakeBackend extends ConfigDouble implements Backend {
  readonly connections = new ConnectionsDouble()
  connectTools = () => this.connections.connectTools()
  connectPreview = this.connections.connectPreview
  connectApply = this.connections.connectApply
  connectVerify = () => this.connections.connectVerify()
  readonly ours = new SettingsDouble()
  settings = this.ours.settings
  settingsSet = this.ours.settingsSet
  commands: [name: string, model: string][] = []
  #pending: { resolve: () => void; reject: (error: CommandError) => void }[] = []
  #onState: (state: AppState) => void = () => undefined
  #onConnection: (connection: Connection) => void = () => undefined

  subscribe(onState: (state: AppState) => void, onConnection: (connection: Connection) => void): () => void {
    this.#onState = onState
    this.#onConnection = onConnection
    return () => undefined
  }

  useModel = (model: string) => this.#command('use', model)
  load = (model: string) => this.#command('load', model)
  unload = (model: string) => this.#command('unload', model)
  mendContext = (model: string, mend: string) => this.#command(mend, model)
  retryUpstreams = (provider: string | null) => this.#command('retry', provider ?? '')

  noticeAction = (id: number, action: string) => this.#command(action, String(id))
  unmute = (kind: string) => this.#command('unmute', kind)

  /** The engine publishes. */
  publish(state: AppState) {
    this.#onConnection({ kind: 'connected' })
    this.#onState(state)
  }

  connection(connection: Connection) {
    this.#onConnection(connection)
  }

  /** The oldest command is done. */
  async done() {
    this.#pending.shift()?.resolve()
    await settle()
  }

  /** The oldest command is refused. */
  async refuse(message: string) {
    this.#pending.shift()?.reject(new CommandError('refused', message))
    await settle()
  }

  #command(name: string, model: string): Promise<void> {
    this.commands.push([name, model])
    return new Promise((resolve, reject) => this.#pending.push({ resolve, reject }))
  }
}

async function settle() {
  for (let turn = 0; turn < 5; turn += 1) await Promise.resolve()
}
