// What a person reads on the Models page, from what stands in the configuration. Pure.
import type { RuntimeSummary } from '../bindings/RuntimeSummary'
import { count, tokens } from '../format'
import type { Tone } from '../words'
import type { ProviderEntry, Template } from './configuration'
import type { KeyPlace, ListedModel, Problem, ProviderView, TestStep } from './types'

const API_TITLES: Record<string, string> = {
  'openai-completions': 'OpenAI Chat Completions',
  'openai-responses': 'OpenAI Responses',
  'anthropic-messages': 'Anthropic Messages',
  'google-generative-ai': 'Google Generative AI',
  ollama: 'Ollama',
  'openai-chatgpt-responses': 'ChatGPT Responses',
  'azure-openai-responses': 'Azure OpenAI Responses',
  'google-vertex': 'Google Vertex',
  'github-copilot': 'GitHub Copilot',
  'bedrock-converse-stream': 'Amazon Bedrock',
  'pi-messages': 'Pi Messages',
}

export function apiTitle(api: string): string {
  return API_TITLES[api] ?? api
}

/** Where a key is kept, after “kept in”. */
export function placeWords(place: KeyPlace): string {
  return {
    config: 'the configuration',
    environment: 'an environment variable',
    keychain: 'the keychain',
    'private-file': 'a private file',
    reference: 'a reference that OpenClaw reads',
    none: 'no place yet',
  }[place]
}

/** A local provider's server: what it is, what it can be told, and what it does not tell. Nothing while it is not known. */
export function runtimeFacts(runtime: RuntimeSummary): { term: string; text: string }[] {
  if (runtime.kind === 'unknown') return []
  const title = runtime.kind === 'openai-compatible' ? 'a server of the OpenAI API' : runtime.title
  const version = runtime.version === null ? '' : ` ${runtime.version}`
  const can = [
    runtime.loads && (runtime.loadContext ? 'load a model with a context length' : 'load a model'),
    runtime.unloads && 'unload it',
  ].filter((one) => one !== false)
  const context = runtime.setsContext ? `${runtime.contextSetBy}; a model’s own is set from here on request` : runtime.contextSetBy
  return [
    { term: 'It is', text: `${title}${version} at ${runtime.address}` },
    { term: 'It can be told to', text: can.length > 0 ? can.join(', ') : 'do nothing with its models' },
    { term: 'Changes', text: runtime.pushes ? 'it tells of them by itself' : 'are seen by asking it' },
    ...(context === null ? [] : [{ term: 'Context is set by', text: context }]),
    { term: 'To keep a model warm', text: runtime.keepingWarm },
    ...(runtime.cannotTell.length === 0 ? [] : [{ term: 'It does not tell', text: runtime.cannotTell.join(', ') }]),
  ]
}

/** A provider's key in a line. */
export function keyWords(view: ProviderView['key'] | null): { text: string; tone: Tone } {
  if (view === null) return { text: 'not saved yet', tone: 'quiet' }
  if (view.problem !== null) return { text: view.problem, tone: 'warning' }
  if (view.place === 'none') return { text: view.detail || 'no key', tone: 'quiet' }
  // Which variable, file or entry it is, is worth saying; of the configuration there is only one.
  const place = view.place === 'config' || view.place === 'reference' ? '' : view.detail
  return { text: `kept in: ${place || placeWords(view.place)}`, tone: 'quiet' }
}

/** A provider's state in a few words. */
export function providerState(provider: ProviderEntry): { text: string; tone: Tone } {
  const { view } = provider
  if (view === null) return provider.value === null ? { text: 'built in', tone: 'quiet' } : { text: 'not saved yet', tone: 'busy' }
  if (view.runtime !== null) {
    if (view.runtime.reachable) return { text: 'answers', tone: 'good' }
    return { text: view.runtime.detail ? `does not answer: ${view.runtime.detail}` : 'does not answer', tone: 'bad' }
  }
  if (view.key.problem !== null) return { text: 'its key cannot be read', tone: 'warning' }
  return { text: provider.location === 'hosted' ? 'ready' : 'not watched', tone: provider.location === 'hosted' ? 'hosted' : 'quiet' }
}

export function stepTitle(name: TestStep['name']): string {
  return {
    address: 'Address',
    connect: 'Connection',
    tls: 'Certificate',
    answer: 'Answer',
    key: 'Key',
    api: 'API',
    models: 'Models',
  }[name]
}

/** What is known of a model that a server lists. */
export function listedFacts(model: ListedModel): string[] {
  return [
    model.contextLength === null ? null : `${tokens(model.contextLength)} context`,
    model.loadedContext === null ? null : `${tokens(model.loadedContext)} loaded`,
    model.vision ? 'sees images' : null,
    model.tools ? 'calls tools' : null,
    model.reasoning ? 'reasons' : null,
    model.embedding ? 'embeddings only' : null,
    model.quantization,
    model.sizeBytes === null ? null : size(model.sizeBytes),
    model.loaded && model.loadedContext === null ? 'in memory' : null,
  ].filter((fact) => fact !== null)
}

/** Bytes as file managers write them: `120 GB`. */
export function size(bytes: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB']
  const power = Math.min(Math.floor(Math.log10(Math.max(bytes, 1)) / 3), units.length - 1)
  const amount = bytes / 1_000 ** power
  return `${amount < 10 && power > 0 ? amount.toFixed(1) : Math.round(amount)} ${units[power]}`
}

export function templateTitle(template: Template): string {
  return { 'hosted-first': 'Hosted first, local fallback', 'local-first': 'Local first, hosted safety net' }[template]
}

export function templateWords(template: Template): string {
  return {
    'hosted-first': 'A hosted model answers, and the local ones when it cannot.',
    'local-first': 'The local models answer, and hosted ones when these are down.',
  }[template]
}

/** Why a template cannot be used. */
export function templateLacks(providers: ProviderEntry[]): string | null {
  const has = (place: 'local' | 'hosted') => providers.some((provider) => provider.location === place && provider.models.length > 0)
  if (!has('local') && !has('hosted')) return 'Add a local and a hosted model first.'
  if (!has('local')) return 'Add a local model first.'
  return has('hosted') ? null : 'Add a hosted model first.'
}

export function changes(number: number): string {
  return number === 1 ? 'One unsaved change' : `${count(number)} unsaved changes`
}

/** How many problems of each severity, as `2 errors, 1 warning`. */
export function problemCounts(problems: Problem[]): string {
  const part = (severity: string, word: string) => {
    const number = problems.filter((problem) => problem.severity === severity).length
    return number === 0 ? [] : [`${number} ${number === 1 ? word : `${word}s`}`]
  }
  return [...part('error', 'error'), ...part('warning', 'warning'), ...part('info', 'hint')].join(', ') || 'No problems'
}

export function whoWords(who: string): string {
  return { editor: 'here', command: 'by a command', external: 'by another program' }[who] ?? who
}

/** What a screen reader is told when an entry of the chain moved. */
export function movedWords(title: string, place: number, length: number): string {
  return `${title} is now number ${place} of ${length}.`
}

/** A file's name without its folders, for a tab. */
export function fileName(path: string): string {
  return path.split(/[\\/]/).at(-1) ?? path
}
