// The engine inside the window's own process, by Tauri's IPC. The only file that may import `@tauri-apps/*`.
import { invoke } from '@tauri-apps/api/core'
import { listen } from '@tauri-apps/api/event'
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
import type { Backend, Connection, ContextMend } from './backend'
import { toCommandError } from './command-error'

/** How long to wait before asking again for a first state that was not to be had, in milliseconds. */
const ASK_AGAIN = 1_000

export class TauriBackend implements Backend {
  subscribe(onState: (state: AppState) => void, onConnection: (connection: Connection) => void): () => void {
    let ended = false
    let heard = false
    let again: ReturnType<typeof setTimeout> | undefined

    const receive = (state: AppState) => {
      if (ended) return
      onConnection({ kind: 'connected' })
      onState(state)
    }
    const ask = async () => {
      try {
        const state = await invoke<AppState>('state')
        // An event that came meanwhile is newer than the answer.
        if (!heard) receive(state)
      } catch (thrown) {
        if (ended || heard) return
        onConnection({ kind: 'lost', detail: toCommandError(thrown).message, retryAt: Date.now() + ASK_AGAIN })
        again = setTimeout(() => void ask(), ASK_AGAIN)
      }
    }
    // Listening comes first, so that no change is missed between the answer and the first event.
    const listening = listen<AppState>('state', (event) => {
      heard = true
      receive(event.payload)
    })
    void listening.then(ask, ask)

    return () => {
      ended = true
      clearTimeout(again)
      void listening.then(
        (unlisten) => unlisten(),
        () => undefined,
      )
    }
  }

  useModel(model: string): Promise<void> {
    return command('use_model', { model })
  }

  load(model: string): Promise<void> {
    return command('load_model', { model })
  }

  unload(model: string): Promise<void> {
    return command('unload_model', { model })
  }

  mendContext(model: string, mend: ContextMend): Promise<void> {
    return command('mend_context', { model, mend })
  }

  noticeAction(id: number, action: NoticeActionKind): Promise<void> {
    return command('notice_action', { id, action })
  }

  unmute(kind: NoticeKind): Promise<void> {
    return command('unmute', { kind })
  }

  retryUpstreams(provider: string | null): Promise<void> {
    return command('retry_upstreams', { provider })
  }

  config(): Promise<ConfigDocument> {
    return command('config')
  }

  configPreview(draft: Body): Promise<ConfigPreview> {
    return command('config_preview', { request: draft })
  }

  configSave(draft: Body, label: string): Promise<Saved> {
    return command('config_save', { request: { ...draft, label } })
  }

  configUndo(): Promise<Saved> {
    return command('config_undo')
  }

  configRedo(): Promise<Saved> {
    return command('config_redo')
  }

  configRestore(revision: string): Promise<Saved> {
    return command('config_restore', { request: { revision } })
  }

  configRestoreComments(): Promise<Saved> {
    return command('config_restore_comments')
  }

  async configDismissComments(): Promise<void> {
    await command('config_dismiss_comments')
  }

  configHistory(): Promise<HistoryEntry[]> {
    return command('config_history')
  }

  providerTest(subject: ProviderSubject): Promise<ProviderTest> {
    return command('provider_test', { request: subject })
  }

  providerModels(subject: ProviderSubject): Promise<ListedModel[]> {
    return command('provider_models', { request: subject })
  }

  providerKey(change: KeyChange): Promise<KeyKept> {
    return command('provider_key', { request: change })
  }

  connectTools(): Promise<ToolView[]> {
    return command('connect_tools')
  }

  connectPreview(request: ConnectRequest): Promise<ConnectOutcome> {
    return command('connect_preview', { request })
  }

  connectApply(request: ConnectRequest): Promise<ConnectOutcome> {
    return command('connect_apply', { request })
  }

  connectVerify(request: ConnectRequest): Promise<Verification> {
    return command('connect_verify', { request })
  }

  settings(): Promise<SettingsDocument> {
    return command('settings')
  }

  settingsSet(change: SettingChange): Promise<SettingsDocument> {
    return command('settings_set', { request: change })
  }

  copyEndpoint(): Promise<void> {
    return command('endpoint_to_clipboard')
  }
}

async function command<T>(name: string, parameters?: Record<string, unknown>): Promise<T> {
  try {
    return await invoke<T>(name, parameters)
  } catch (thrown) {
    throw toCommandError(thrown)
  }
}
