// What the Models page knows: the configuration as the engine has it, a person's draft, and what the draft would make of
// it. The engine alone edits the text; the page keeps edits and asks to see what they come to.
import type { ConfigBackend, CommandError } from '../backend/backend'
import { toCommandError } from '../backend/command-error'
import { sentence } from '../format'
import {
  applied,
  bodyOf,
  emptyDraft,
  insisted,
  isText,
  labelOf,
  rebased,
  textFile,
  withEdits,
  withoutLast,
  withText,
  type Body,
  type Change,
  type Draft,
  type Edit,
  type Json,
} from './draft'
import type { ConfigDocument, ConfigPreview, FileConflict, HistoryEntry, KeyChange, Problem, SourceText } from './types'

/** How long a person may go on before a preview is asked for, in milliseconds. */
const WAIT = 150
/** The same while they type in the text. */
const WAIT_TEXT = 350

export interface Note {
  title: string
  more?: string
}

export interface Conflict {
  message: string
  files: FileConflict[]
}

/** What there was before something was asked: the texts, and the draft as it was made to an earlier revision. */
interface Before {
  ours: SourceText[]
  earlier?: Body
}

export class Editor {
  /** As it is on the disk; none before the first answer. */
  document = $state.raw<ConfigDocument | null>(null)
  draft = $state.raw<Draft>(emptyDraft(''))
  preview = $state.raw<ConfigPreview | null>(null)
  /** The configuration with the draft in it. The last one that could be read, where the text has a mistake now. */
  value = $state.raw<Json>(null)
  /** Why the configuration could not be read at all. */
  unread = $state.raw<CommandError | null>(null)
  /** Why the draft's last change could not be made. */
  refused = $state.raw<CommandError | null>(null)
  conflict = $state.raw<Conflict | null>(null)
  /** What a person should know and need not act on: the file changed, and the draft was put on top of it. */
  note = $state.raw<Note | null>(null)
  /** Whether the engine is asked for a preview, or is about to be. */
  previewing = $state(false)
  /** What is being written. */
  busy = $state<string | null>(null)
  /** Said aloud. */
  said = $state('')

  readonly backend: ConfigBackend
  #undone = $state.raw<Change[]>([])
  #turn = 0
  #timer: ReturnType<typeof setTimeout> | undefined
  #settled: Promise<void> = Promise.resolve()
  #loading: Promise<void> | null = null
  #seen: string | null = null

  constructor(backend: ConfigBackend) {
    this.backend = backend
  }

  get changed(): boolean {
    return this.draft.changes.length > 0
  }

  /** The texts with the draft in them. What is typed stands there before the engine has looked at it. */
  get files(): SourceText[] {
    const files = this.preview?.files ?? this.document?.files ?? []
    const last = this.draft.changes.at(-1)
    if (!last || !isText(last) || !this.previewing) return files
    return files.map((file) => (file.path === last.file ? { ...file, text: last.text } : file))
  }

  get problems(): Problem[] {
    return this.preview?.diagnostics ?? this.document?.diagnostics ?? []
  }

  /** Whether the text has a mistake that leaves nothing for the form to show. */
  get unreadable(): boolean {
    return (this.preview ? this.preview.value : (this.document?.value ?? null)) === null
  }

  get canUndo(): boolean {
    return this.changed || (this.document?.canUndo ?? false)
  }

  get canRedo(): boolean {
    return this.#undone.length > 0 || (!this.changed && (this.document?.canRedo ?? false))
  }

  /** What Undo does now. */
  get undoWords(): string {
    const last = this.draft.changes.at(-1)
    return last ? `Undo: ${last.label}` : 'Undo the last save'
  }

  get redoWords(): string {
    const next = this.#undone.at(-1)
    return next ? `Redo: ${next.label}` : 'Redo the last save that was undone'
  }

  /** Reads the configuration, and puts the draft on top of it. */
  load(): Promise<void> {
    this.#loading ??= this.#load().finally(() => (this.#loading = null))
    return this.#loading
  }

  /** The engine says that this revision is on the disk now. */
  see(revision: string): void {
    const known = this.#seen
    this.#seen = revision
    if (this.document === null || known === revision || this.document.revision === revision || this.busy !== null) return
    void this.load()
  }

  /** A change by the form. */
  edit(label: string, edits: Edit[]): void {
    if (edits.length === 0 || this.document === null || this.document.readOnly) return
    this.draft = withEdits(this.draft, label, edits, this.value)
    this.value = applied(this.value, edits)
    this.#undone = []
    this.#ask(WAIT)
  }

  /** A change by typing in the text. */
  type(file: string, text: string): void {
    if (this.document === null || this.document.readOnly) return
    const original = this.document.files.find((one) => one.path === file)?.text
    const label = `Text of ${file.split(/[\\/]/).at(-1) ?? file}`
    this.draft = withText(this.draft, label, file, text, original)
    this.#undone = []
    this.#ask(WAIT_TEXT)
  }

  /** Whether a file's text may be typed in: another one's draft must be saved first. */
  typable(file: string): boolean {
    const typed = textFile(this.draft)
    return this.document !== null && !this.document.readOnly && (typed === null || typed === file)
  }

  async undo(): Promise<void> {
    const last = this.draft.changes.at(-1)
    if (!last) {
      if (this.document?.canUndo) await this.#write('Undoing…', () => this.backend.configUndo(), 'The last save was undone.')
      return
    }
    this.draft = withoutLast(this.draft)
    this.#undone = [...this.#undone, last]
    this.#rebuild()
    this.said = `Undone: ${last.label}`
    await this.#ask(0)
  }

  async redo(): Promise<void> {
    const next = this.#undone.at(-1)
    if (!next) {
      if (this.document?.canRedo && !this.changed) await this.#write('Redoing…', () => this.backend.configRedo(), 'Redone.')
      return
    }
    this.draft = { ...this.draft, changes: [...this.draft.changes, next] }
    this.#undone = this.#undone.slice(0, -1)
    this.#rebuild()
    this.said = `Redone: ${next.label}`
    await this.#ask(0)
  }

  discard(): void {
    clearTimeout(this.#timer)
    this.#turn += 1
    this.draft = emptyDraft(this.document?.revision ?? '')
    this.#undone = []
    this.preview = null
    this.previewing = false
    this.refused = null
    this.conflict = null
    this.note = null
    this.value = this.document?.value ?? null
    this.said = 'The draft was discarded.'
  }

  /** The preview of the whole draft, for a person to see before it is saved; none where there can be none. */
  async review(): Promise<ConfigPreview | null> {
    if (this.previewing) await this.#ask(0)
    await this.#settled
    return this.refused === null && this.conflict === null ? this.preview : null
  }

  async save(): Promise<boolean> {
    const label = labelOf(this.draft)
    const saved = await this.#write('Saving…', () => this.backend.configSave(bodyOf(this.draft), label), 'Saved.', () => {
      this.draft = emptyDraft(this.draft.revision)
      this.#undone = []
      this.preview = null
      this.note = null
    })
    return saved
  }

  history(): Promise<HistoryEntry[]> {
    return this.backend.configHistory()
  }

  restore(revision: string): Promise<boolean> {
    return this.#write('Restoring…', () => this.backend.configRestore(revision), 'The revision was restored.')
  }

  restoreComments(): Promise<boolean> {
    return this.#write('Putting back…', () => this.backend.configRestoreComments(), 'The comments were put back.')
  }

  dismissComments(): Promise<boolean> {
    return this.#write('Leaving out…', () => this.backend.configDismissComments(), 'The comments stay out.')
  }

  /** Keeps a provider's key somewhere; rejects where it cannot be kept there. */
  async keepKey(change: KeyChange): Promise<void> {
    const { notes } = await this.backend.providerKey(change)
    this.said = 'The key is kept.'
    await this.#loading
    await this.load()
    if (notes.length > 0) this.note = { title: 'The key is kept', more: notes.map(sentence).join(' ') }
  }

  /** Both sides were seen: the draft is thrown away, and what the other wrote stays. */
  takeTheirs(): void {
    this.conflict = null
    this.discard()
  }

  /** Both sides were seen: the draft is put on the new text. Nothing is written until it is saved. */
  async keepOurs(): Promise<void> {
    this.conflict = null
    this.refused = null
    await this.load()
    this.conflict = null
    this.draft = insisted(this.draft)
    await this.#ask(0)
    // What they stood in may be gone, and then they are nowhere.
    if (this.refused === null) this.note = { title: 'Your changes are on top of the new text now', more: 'Look at the difference before you save.' }
  }

  async #load(): Promise<void> {
    let document: ConfigDocument
    try {
      document = await this.backend.config()
    } catch (thrown) {
      this.unread = toCommandError(thrown)
      return
    }
    const before = this.document
    this.unread = null
    this.document = document
    if (!this.changed) {
      this.draft = emptyDraft(document.revision)
      this.preview = null
      this.value = document.value ?? this.value
      return
    }
    if (before?.revision === document.revision) return
    const ours = this.files
    const earlier = bodyOf(this.draft)
    this.draft = rebased(this.draft, document.revision)
    const typed = textFile(this.draft)
    const theirs = document.files.find((file) => file.path === typed)?.text
    if (typed !== null && theirs !== before?.files.find((file) => file.path === typed)?.text) {
      const mine = ours.find((file) => file.path === typed)?.text ?? ''
      this.conflict = { message: 'The file was changed while you typed in it.', files: [{ path: typed, ours: mine, theirs: theirs ?? '' }] }
      return
    }
    this.note = { title: 'The file was changed by another program', more: 'Your changes are on top of it now.' }
    this.#rebuild()
    await this.#ask(0, { ours, earlier })
  }

  /** The value from the start: right where no text was typed, and corrected by the next preview where some was. */
  #rebuild(): void {
    if (this.draft.changes.some(isText)) return
    this.value = this.draft.changes.reduce((value, change) => (isText(change) ? value : applied(value, change.edits)), this.document?.value ?? null)
  }

  #ask(wait: number, before: Before = { ours: this.files }): Promise<void> {
    clearTimeout(this.#timer)
    this.#turn += 1
    const turn = this.#turn
    if (!this.changed) {
      this.previewing = false
      this.preview = null
      this.refused = null
      this.value = this.document?.value ?? this.value
      return Promise.resolve()
    }
    this.previewing = true
    this.#settled = new Promise((resolve) => {
      const run = () => void this.#look(turn, before).finally(resolve)
      if (wait === 0) run()
      else this.#timer = setTimeout(run, wait)
    })
    return this.#settled
  }

  async #look(turn: number, { ours, earlier }: Before): Promise<void> {
    try {
      const preview = await this.backend.configPreview(bodyOf(this.draft))
      if (turn !== this.#turn) return
      this.preview = preview
      this.refused = null
      if (preview.value !== null) this.value = preview.value
      if (preview.revision !== this.draft.revision) void this.load()
    } catch (thrown) {
      if (turn !== this.#turn) return
      const error = toCommandError(thrown)
      const told = error.code === 'conflict' && earlier ? await this.#sides(earlier, error) : error
      if (turn !== this.#turn) return
      if (told.code === 'conflict') this.#dispute(told, ours)
      else {
        this.refused = told
        this.note = null
      }
    } finally {
      if (turn === this.#turn) this.previewing = false
    }
  }

  /** The same conflict with both sides, which the engine has when it is asked on the revision that the draft was made to. */
  async #sides(earlier: Body, conflict: CommandError): Promise<CommandError> {
    try {
      await this.backend.configPreview(earlier)
    } catch (thrown) {
      const told = toCommandError(thrown)
      if (told.code === 'conflict' && told.details) return told
    }
    return conflict
  }

  async #write(doing: string, write: () => Promise<unknown>, done: string, then?: () => void): Promise<boolean> {
    if (this.busy !== null) return false
    this.busy = doing
    const ours = this.files
    try {
      await write()
      then?.()
      this.refused = null
      // One that began before the write would bring the old text.
      await this.#loading
      await this.load()
      this.said = done
      return true
    } catch (thrown) {
      const error = toCommandError(thrown)
      if (error.code === 'conflict') this.#dispute(error, ours)
      else this.refused = error
      return false
    } finally {
      this.busy = null
    }
  }

  #dispute(error: CommandError, ours: SourceText[]): void {
    const details = error.details as { files?: FileConflict[] } | null | undefined
    const told = details?.files ?? []
    const files = told.length > 0 ? told : this.#differences(ours)
    this.note = null
    this.conflict = { message: error.message, files }
  }

  #differences(ours: SourceText[]): FileConflict[] {
    const files = (this.document?.files ?? []).map((file) => ({
      path: file.path,
      theirs: file.text,
      ours: ours.find((one) => one.path === file.path)?.text ?? file.text,
    }))
    return files.filter((file) => file.ours !== file.theirs)
  }
}
