// Which engine this page talks to: the one of the window it runs in, or the one that served it.
import type { Backend } from './backend'

export async function chooseBackend(): Promise<Backend> {
  if ('__TAURI_INTERNALS__' in window) {
    const { TauriBackend } = await import('./tauri')
    return new TauriBackend()
  }
  const { HttpBackend, takeToken } = await import('./http')
  return new HttpBackend({ token: takeToken(window) })
}
