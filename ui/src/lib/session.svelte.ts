// What the page knows of the engine, and what it asked of it. The engine's state is replaced whole, never edited here:
// what a person sees is what the engine said, and a click shows as "asked" until the engine's state agrees.
import type { AppState } from './bindings/AppState'
import type { Notice } from './bindings/Notice'
import type { NoticeAction } from './bindings/NoticeAction'
import type { NoticeKind } from './bindings/NoticeKind'
import { SvelteMap } from 'svelte/reactivity'
import type { Backend, Connection, ContextMend } from './backend/backend'
import { toCommandError } from './backend/command-error'

/** Something that was asked and did not happen. */
export interface Refusal {
  /** What did not happen, such as `Opus was not made the primary`. */
  title: string
  /** Why, in the engine's words. */
  detail: string
}

/** How long a choice of a primary may show as made while the state does not agree yet, in milliseconds. */
const AGREE = 3_000

export class Session {
  /** The engine's last state; none before the first. */
  state = $state.raw<AppState | null>(null)
  connection = $state.raw<Connection>({ kind: 'connecting' })
  /** The last command that was refused, until dismissed or until another one works. */
  refusal = $state.raw<Refusal | null>(null)
  /** Whether the Models page has a draft that is not saved. */
  unsaved = $state(false)
  /** Models with a load or an unload under way that was asked for here. */
  readonly asked = new SvelteMap<string, 'load' | 'unload'>()

  readonly backend: Backend
  #choice = $state.raw<string | null>(null)

  constructor(backend: Backend) {
    this.backend = backend
  }

  /** Follows the engine until the returned function is called. */
  start(): () => void {
    return this.backend.subscribe(
      (state) => {
        this.state = state
        if (state.chain[0] === this.#choice) this.#choice = null
      },
      (connection) => {
        this.connection = connection
      },
    )
  }

  /** The ref of a primary that was chosen here and is not in force yet. */
  get choice(): string | null {
    return this.#choice
  }

  /** The ref that is the primary, or is about to be. */
  get primary(): string | null {
    return this.#choice ?? this.state?.chain[0] ?? null
  }

  async makePrimary(ref: string, title: string): Promise<void> {
    if (this.primary === ref) return
    this.#choice = ref
    try {
      await this.backend.useModel(ref)
      this.refusal = null
      setTimeout(() => this.#forget(ref), AGREE)
    } catch (thrown) {
      this.#forget(ref)
      this.#refuse(`${title} was not made the primary`, thrown)
    }
  }

  load(ref: string, title: string): Promise<void> {
    return this.#ask(ref, 'load', `${title} was not loaded`)
  }

  unload(ref: string, title: string): Promise<void> {
    return this.#ask(ref, 'unload', `${title} was not unloaded`)
  }

  async mendContext(ref: string, mend: ContextMend, title: string): Promise<void> {
    if (this.asked.has(ref)) return
    this.asked.set(ref, 'load')
    try {
      await this.backend.mendContext(ref, mend)
      this.refusal = null
    } catch (thrown) {
      this.#refuse(mend === 'reload' ? `${title} was not loaded with more` : `The configuration was not changed`, thrown)
    } finally {
      this.asked.delete(ref)
    }
  }

  async retryUpstreams(provider: string, title: string): Promise<void> {
    try {
      await this.backend.retryUpstreams(provider)
      this.refusal = null
    } catch (thrown) {
      this.#refuse(`${title} is not asked again yet`, thrown)
    }
  }

  async noticeAction(notice: Notice, action: NoticeAction): Promise<void> {
    try {
      await this.backend.noticeAction(notice.id, action.action)
      this.refusal = null
    } catch (thrown) {
      this.#refuse(`“${action.label}” could not be done`, thrown)
    }
  }

  async unmute(kind: NoticeKind): Promise<void> {
    try {
      await this.backend.unmute(kind)
      this.refusal = null
    } catch (thrown) {
      this.#refuse('They stay muted', thrown)
    }
  }

  dismiss(): void {
    this.refusal = null
  }

  async #ask(ref: string, command: 'load' | 'unload', failure: string): Promise<void> {
    if (this.asked.has(ref)) return
    this.asked.set(ref, command)
    try {
      await this.backend[command](ref)
      this.refusal = null
    } catch (thrown) {
      this.#refuse(failure, thrown)
    } finally {
      this.asked.delete(ref)
    }
  }

  #forget(ref: string): void {
    if (this.#choice === ref) this.#choice = null
  }

  #refuse(title: string, thrown: unknown): void {
    this.refusal = { title, detail: toCommandError(thrown).message }
  }
}
