// The settings as the engine has them, and changes one at a time. What is shown is what the engine said last: nothing is
// taken for set before it says so.
import { SvelteMap } from 'svelte/reactivity'
import type { SettingsDocument } from '../bindings/SettingsDocument'
import type { SettingsBackend } from '../backend/backend'
import { toCommandError } from '../backend/command-error'

/** The keys to a setting, such as `['keeper', 'poll']`. */
export type SettingPath = readonly string[]

export class SettingsEditor {
  /** None before the first answer. */
  document = $state.raw<SettingsDocument | null>(null)
  /** Why the settings could not be read. */
  failure = $state.raw<string | null>(null)
  /** What was done last, for those who do not see it. */
  said = $state.raw('')
  /** Why a setting was refused, until it is set or left as it is. */
  readonly #refusals = new SvelteMap<string, string>()
  readonly #backend: SettingsBackend
  #turn: Promise<unknown> = Promise.resolve()
  #writes = 0

  constructor(backend: SettingsBackend) {
    this.#backend = backend
  }

  /** Reads them anew. */
  async look(): Promise<void> {
    const writes = this.#writes
    try {
      const document = await this.#backend.settings()
      // An answer from before a change says less than that change's own.
      if (writes === this.#writes) this.document = document
      this.failure = null
    } catch (thrown) {
      this.failure = toCommandError(thrown).message
    }
  }

  /** Sets one; `null` gives it its default. False where it was refused. `name` is what a person calls it. */
  put(path: SettingPath, value: unknown, name: string): Promise<boolean> {
    const done = this.#turn.then(() => this.#put(path, value, name))
    this.#turn = done
    return done
  }

  refusal(path: SettingPath): string | null {
    return this.#refusals.get(key(path)) ?? null
  }

  /** Says of a setting why it cannot be so. */
  refuse(path: SettingPath, why: string): void {
    this.#refusals.set(key(path), why)
  }

  /** It stays as it is. */
  forget(path: SettingPath): void {
    this.#refusals.delete(key(path))
  }

  async #put(path: SettingPath, value: unknown, name: string): Promise<boolean> {
    this.#writes += 1
    this.said = ''
    try {
      this.document = await this.#backend.settingsSet({ path: [...path], value })
      this.forget(path)
      this.said = value === null ? `${name}: the default.` : `${name}: saved.`
      return true
    } catch (thrown) {
      const error = toCommandError(thrown)
      this.refuse(path, error.message)
      // The file has changed under the page.
      if (error.code === 'broken') await this.look()
      return false
    }
  }
}

function key(path: SettingPath): string {
  return JSON.stringify(path)
}
