// The text beside the form: CodeMirror, with the engine's diagnostics at their lines. Loaded when the page is, and the
// only file that knows CodeMirror. It shows a text and tells what is typed; whose text it is, its owner knows.
import { defaultKeymap, history, historyKeymap } from '@codemirror/commands'
import { bracketMatching, indentOnInput, indentUnit } from '@codemirror/language'
import { lintGutter, lintKeymap, setDiagnostics, type Diagnostic } from '@codemirror/lint'
import { Annotation, Compartment, EditorState, RangeSetBuilder, StateEffect, StateField, Transaction } from '@codemirror/state'
import {
  Decoration,
  drawSelection,
  EditorView,
  highlightActiveLine,
  highlightActiveLineGutter,
  keymap,
  lineNumbers,
  MatchDecorator,
  ViewPlugin,
  WidgetType,
  type DecorationSet,
  type ViewUpdate,
} from '@codemirror/view'
import { json5 } from './json5-language'
import { difference, masksIn, place } from './text-places'
import type { Fix, Problem } from './types'

export interface TextViewOptions {
  parent: HTMLElement
  text: string
  label: string
  onType: (text: string) => void
  onFix: (fix: Fix) => void
  /** A person tried to change a key that is kept. */
  onKept: () => void
}

/** Marks what the engine put there, which is neither typed nor to be undone here. */
const theirs = Annotation.define<boolean>()

class Kept extends WidgetType {
  override eq(): boolean {
    return true
  }

  toDOM(): HTMLElement {
    const chip = document.createElement('span')
    chip.className = 'kept'
    chip.textContent = 'kept'
    chip.title = 'A key that never reaches this page. Change it with “Change key…”.'
    return chip
  }
}

const matcher = new MatchDecorator({ regexp: /‹kept:\d+›/g, decoration: () => Decoration.replace({ widget: new Kept() }) })
const kept = ViewPlugin.fromClass(
  class {
    marks: DecorationSet
    constructor(view: EditorView) {
      this.marks = matcher.createDeco(view)
    }
    update(update: ViewUpdate) {
      this.marks = matcher.updateDeco(update, this.marks)
    }
  },
  {
    decorations: (plugin) => plugin.marks,
    provide: (plugin) => EditorView.atomicRanges.of((view) => view.plugin(plugin)?.marks ?? Decoration.none),
  },
)

/** The lines that the form's last change touched. */
const touch = StateEffect.define<{ from: number; to: number } | null>()
const touchedLine = Decoration.line({ class: 'cm-touched' })
const touched = StateField.define<DecorationSet>({
  create: () => Decoration.none,
  update(marks, transaction) {
    for (const effect of transaction.effects) {
      if (!effect.is(touch)) continue
      if (effect.value === null) return Decoration.none
      const builder = new RangeSetBuilder<Decoration>()
      const { doc } = transaction.state
      const last = doc.lineAt(Math.min(effect.value.to, doc.length)).number
      for (let line = doc.lineAt(Math.min(effect.value.from, doc.length)).number; line <= last; line += 1) {
        const { from } = doc.line(line)
        builder.add(from, from, touchedLine)
      }
      return builder.finish()
    }
    return transaction.docChanged ? Decoration.none : marks
  },
  provide: (field) => EditorView.decorations.from(field),
})

export class TextView {
  readonly #view: EditorView
  readonly #readOnly = new Compartment()
  readonly #onFix: (fix: Fix) => void

  constructor(options: TextViewOptions) {
    this.#onFix = options.onFix
    const guard = EditorState.transactionFilter.of((transaction) => {
      if (!transaction.docChanged || transaction.annotation(theirs)) return transaction
      if (!touchesMask(transaction)) return transaction
      queueMicrotask(options.onKept)
      return []
    })
    this.#view = new EditorView({
      parent: options.parent,
      state: EditorState.create({
        doc: options.text,
        extensions: [
          lineNumbers(),
          lintGutter(),
          history(),
          drawSelection(),
          indentOnInput(),
          indentUnit.of('  '),
          bracketMatching(),
          highlightActiveLine(),
          highlightActiveLineGutter(),
          EditorView.lineWrapping,
          keymap.of([...defaultKeymap, ...historyKeymap, ...lintKeymap]),
          json5,
          kept,
          touched,
          guard,
          this.#readOnly.of(EditorState.readOnly.of(false)),
          EditorView.contentAttributes.of({ 'aria-label': options.label, spellcheck: 'false', tabindex: '0' }),
          EditorView.updateListener.of((update) => {
            if (update.docChanged && !update.transactions.some((one) => one.annotation(theirs))) options.onType(update.state.doc.toString())
          }),
        ],
      }),
    })
  }

  /** Shows another text, changing only what differs, so that the cursor and the scroll stay. */
  show(text: string, fresh = false): void {
    const change = difference(this.#view.state.doc.toString(), text)
    if (change === null) return
    this.#view.dispatch({
      changes: change,
      annotations: [theirs.of(true), Transaction.addToHistory.of(false)],
      effects: fresh
        ? [touch.of(null)]
        : [touch.of({ from: change.from, to: change.from + change.insert.length }), EditorView.scrollIntoView(change.from, { y: 'center' })],
    })
  }

  problems(problems: Problem[]): void {
    const { doc } = this.#view.state
    const diagnostics = problems.map((problem): Diagnostic => {
      const { from, to } = place(doc.toString(), problem.line, problem.column)
      const fix = problem.fix
      return {
        from,
        to,
        severity: problem.severity === 'error' || problem.severity === 'warning' ? problem.severity : 'info',
        message: problem.message,
        ...(fix && { actions: [{ name: fix.label, apply: () => this.#onFix(fix) }] }),
      }
    })
    this.#view.dispatch(setDiagnostics(this.#view.state, diagnostics))
  }

  readOnly(value: boolean): void {
    this.#view.dispatch({ effects: this.#readOnly.reconfigure(EditorState.readOnly.of(value)) })
  }

  /** Puts the cursor somewhere, in view. */
  go(line: number, column: number): void {
    const { from } = place(this.#view.state.doc.toString(), line, column)
    this.#view.dispatch({ selection: { anchor: from }, effects: EditorView.scrollIntoView(from, { y: 'center' }) })
    this.#view.focus()
  }

  destroy(): void {
    this.#view.destroy()
  }
}

/** Whether a change would alter a key that is kept. Taking away the whole member that holds it is not that. */
function touchesMask(transaction: Transaction): boolean {
  const masks = masksIn(transaction.startState.doc.toString())
  let touches = false
  transaction.changes.iterChanges((from, to) => {
    // The quotes around a mask belong to it.
    touches ||= masks.some((mask) => {
      const apart = to <= mask.from - 1 || from >= mask.to + 1
      const around = from < mask.from - 1 && to > mask.to + 1
      return !apart && !around
    })
  })
  return touches
}
