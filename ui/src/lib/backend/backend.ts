// The one interface between what a person sees and the engine. Two implementations: the window's IPC (`tauri.ts`) and
// HTTP in a browser (`http.ts`). Nothing else in the UI may know which one it is.
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

/** Whether what is shown is live. */
export type Connection =
  /** Not asked yet. */
  | { kind: 'connecting' }
  /** The state shown is the engine's. */
  | { kind: 'connected' }
  /** The engine does not answer; the state shown is the last one known. `retryAt`: Unix time in milliseconds. */
  | { kind: 'lost'; detail: string; retryAt: number }
  /** The engine answers and does not take our token, so nothing is tried again until there is another. */
  | { kind: 'refused'; detail: string }

/** What the engine said to a command that it did not carry out. */
export class CommandError extends Error {
  /** A stable name, such as `unknown-model`. */
  readonly code: string
  /** What belongs to the code, such as both texts of a `conflict`. */
  readonly details: unknown

  constructor(code: string, message: string, details?: unknown) {
    super(message)
    this.name = 'CommandError'
    this.code = code
    this.details = details
  }
}

/** The configuration, to look at and to edit. Every secret in it is a mask: no key ever reaches the page. */
export interface ConfigBackend {
  /** The configuration as it is in its files now. */
  config(): Promise<ConfigDocument>
  /** What a draft would make of it. Nothing is written. */
  configPreview(draft: Body): Promise<ConfigPreview>
  /** Writes a draft. Where the file changed meanwhile and the draft no longer fits: a `conflict`. */
  configSave(draft: Body, label: string): Promise<Saved>
  configUndo(): Promise<Saved>
  configRedo(): Promise<Saved>
  configRestore(revision: string): Promise<Saved>
  /** Puts back the comments that another program dropped. */
  configRestoreComments(): Promise<Saved>
  /** Offers them no longer, until others are dropped. */
  configDismissComments(): Promise<void>
  /** The revisions kept, the newest first. */
  configHistory(): Promise<HistoryEntry[]>
  /** Connects to a provider step by step, and says what to do about the first step that fails. */
  providerTest(subject: ProviderSubject): Promise<ProviderTest>
  /** The models that a provider's server lists. */
  providerModels(subject: ProviderSubject): Promise<ListedModel[]>
  /** Keeps a provider's key somewhere. The only time that a key goes from the page to the engine. */
  providerKey(change: KeyChange): Promise<KeyKept>
}

/** Other tools' settings, so that their requests come to the engine. Keys are hidden in whatever comes from here. */
export interface ConnectBackend {
  /** The tools that can be connected, and how each stands. */
  connectTools(): Promise<ToolView[]>
  /** What connecting or disconnecting one would change. Nothing is written. */
  connectPreview(request: ConnectRequest): Promise<ConnectOutcome>
  /** Connects or disconnects one. */
  connectApply(request: ConnectRequest): Promise<ConnectOutcome>
  /** Sends one small request as the tool would. */
  connectVerify(request: ConnectRequest): Promise<Verification>
}

/** Our own settings. No token is in whatever comes from here. */
export interface SettingsBackend {
  /** What is in effect, and which of it stands in the file. */
  settings(): Promise<SettingsDocument>
  /** Changes one of them in the file, or gives it its default. What comes back is in effect. */
  settingsSet(change: SettingChange): Promise<SettingsDocument>
}

/** How to mend a context that is loaded smaller than the configuration says. */
export type ContextMend = 'reload' | 'lower'

/** The engine, as the UI sees it. Every command rejects with a {@link CommandError}. */
export interface Backend extends ConfigBackend, ConnectBackend, SettingsBackend {
  /** Calls back with every state from now on, the present one first. Returns what ends it. */
  subscribe(onState: (state: AppState) => void, onConnection: (connection: Connection) => void): () => void
  /** Makes a model, by ref or alias, the primary. */
  useModel(model: string): Promise<void>
  /** Loads a local model; resolves when it is warm. */
  load(ref: string): Promise<void>
  /** Unloads a local model. */
  unload(ref: string): Promise<void>
  /** Makes a model's loaded context and the configuration's agree: loads it anew, or lowers `contextWindow`. */
  mendContext(ref: string, mend: ContextMend): Promise<void>
  /** Lets upstreams that are passed over after failures be asked again: those of a provider, or all. */
  retryUpstreams(provider: string | null): Promise<void>
  /** Does what a notice offers. */
  noticeAction(id: number, action: NoticeActionKind): Promise<void>
  /** Shows notices of this kind again. */
  unmute(kind: NoticeKind): Promise<void>
  /** Puts the endpoint on the clipboard, where the shell does that better than the page. */
  copyEndpoint?(): Promise<void>
  /** Uses another token from now on, where one is needed. */
  useToken?(token: string): void
  /** Tries to connect now instead of at `retryAt`. */
  retry?(): void
}
