// OpenClaw's model configuration as a form has it: what stands in the value, and the edits that change it. Pure. It
// keeps what it does not know, and says nothing to a person; `words.ts` does.
import { at, isObject, path, same, type Edit, type Json, type JsonObject } from './draft'
import type { ListedModel, Preset, ProviderView } from './types'

/** Our own provider in the file of an OpenClaw that is connected through the proxy: never a part of the chain. */
const OURS = 'pilotlight'
const CHAIN = ['agents', 'defaults', 'model']
const ALIASES = ['agents', 'defaults', 'models']
const PROVIDERS = ['models', 'providers']

export const APIS = [
  'openai-completions',
  'openai-responses',
  'anthropic-messages',
  'google-generative-ai',
  'ollama',
  'openai-chatgpt-responses',
  'azure-openai-responses',
  'google-vertex',
  'github-copilot',
  'bedrock-converse-stream',
  'pi-messages',
]
export const INPUTS = ['text', 'image', 'video', 'audio']
export const AUTHS = ['api-key', 'token', 'oauth', 'aws-sdk']
export const COSTS = ['input', 'output', 'cacheRead', 'cacheWrite'] as const

/** A configured model, or one of a provider that needs no row for it. */
export interface ModelEntry {
  ref: string
  provider: string
  id: string
  name: string
  alias: string | null
  /** Its place in the provider's rows; null where it has none. */
  index: number | null
}

/** A provider as the draft has it. */
export interface ProviderEntry {
  id: string
  title: string
  location: 'local' | 'hosted'
  /** What stands under `models.providers`; null for one that OpenClaw has built in. */
  value: JsonObject | null
  models: ModelEntry[]
  /** What the engine knows of it; none for one that is not saved yet. */
  view: ProviderView | null
}

export interface Chain {
  /** Whether the primary is our own proxy, so that the fallbacks are the chain. */
  through: boolean
  /** As they are written: refs or aliases. */
  entries: string[]
}

export const providerPath = (id: string, ...rest: (string | number)[]) => path(...PROVIDERS, id, ...rest)
export const aliasPath = (ref: string) => path(...ALIASES, ref, 'alias')

/** `saved` is the configuration that the views are of: where a draft has the same address, the engine knows its place. */
export function providersOf(value: Json, views: ProviderView[], saved: Json = value): ProviderEntry[] {
  const configured = objectAt(value, PROVIDERS)
  const refs = namedRefs(value)
  const entries = Object.entries(configured).flatMap(([id, provider]): ProviderEntry[] => {
    if (!isObject(provider) || id === OURS) return []
    const view = viewOf(id, views)
    const unchanged = view !== null && same(provider.baseUrl, at(saved, [...PROVIDERS, id, 'baseUrl']))
    const location = unchanged ? view.location : locationOf(text(provider.baseUrl))
    return [{ id, title: view?.title ?? id, location, value: provider, models: rowsOf(value, id, provider), view }]
  })
  const present = new Set(Object.keys(configured).map((id) => id.trim().toLowerCase()))
  const builtIn = [...new Set(refs.map(providerOf))].filter((id) => id !== '' && id !== OURS && !present.has(id.toLowerCase()))
  for (const id of builtIn) {
    const view = viewOf(id, views)
    const models = refs.filter((ref) => providerOf(ref) === id).map((ref) => namedModel(value, ref))
    entries.push({ id, title: view?.title ?? id, location: view?.location ?? 'hosted', value: null, models, view })
  }
  return entries
}

/** All models that may stand in the chain. */
export function modelsOf(providers: ProviderEntry[]): ModelEntry[] {
  return providers.flatMap((provider) => provider.models)
}

export function chainOf(value: Json): Chain {
  const model = at(value, CHAIN)
  const primary = typeof model === 'string' ? model : isObject(model) ? text(model.primary) : null
  const written = isObject(model) && Array.isArray(model.fallbacks) ? model.fallbacks : []
  const fallbacks = written.filter((entry): entry is string => typeof entry === 'string' && providerOf(entry) !== OURS)
  const through = primary !== null && providerOf(primary) === OURS
  return { through, entries: through || primary === null ? fallbacks : [primary, ...fallbacks] }
}

/** The model that an entry of the chain means, by alias or ref. */
export function resolve(entry: string, models: ModelEntry[]): ModelEntry | null {
  const folded = entry.toLowerCase()
  const aliased = models.findLast((model) => model.alias?.toLowerCase() === folded)
  const named = providerOf(entry).toLowerCase() + entry.slice(providerOf(entry).length)
  const exact = aliased ?? models.find((model) => model.provider.toLowerCase() + model.ref.slice(model.provider.length) === named)
  if (exact) return exact
  const bare = models.filter((model) => model.id === entry)
  return bare.length === 1 ? (bare[0] ?? null) : null
}

/** The edits that make the chain these entries. Comments beside entries go where these go. */
export function chainEdits(value: Json, entries: string[]): Edit[] {
  const { through, entries: old } = chainOf(value)
  if (same(old, entries)) return []
  const model = at(value, CHAIN)
  const list = isObject(model) && Array.isArray(model.fallbacks) ? model.fallbacks : null
  const primary = through ? null : (entries[0] ?? null)
  const fallbacks = through ? entries : entries.slice(1)
  if (!isObject(model)) {
    if (primary === null) return model === undefined ? [] : [{ edit: 'remove', path: path(...CHAIN) }]
    const whole: Json = typeof model === 'string' && fallbacks.length === 0 ? primary : { primary, ...(fallbacks.length > 0 && { fallbacks }) }
    return [{ edit: 'set', path: path(...CHAIN), value: whole }]
  }
  const first = path(...CHAIN, 'primary')
  const where = path(...CHAIN, 'fallbacks')
  const was = typeof model.primary === 'string' ? model.primary : null
  // Where one of the two stands on in the list, they change places, so that each takes its comments along.
  const swap = (index: number): Edit => ({ edit: 'swap', path: first, other: where + path(index) })
  const edits: Edit[] = []
  let now = list
  if (!through && primary === null) edits.push({ edit: 'remove', path: first })
  else if (!through && primary !== null && primary !== model.primary) {
    const found = list?.indexOf(primary) ?? -1
    const stays = was === null ? -1 : fallbacks.indexOf(was)
    if (was !== null && list && found >= 0) {
      edits.push(swap(found))
      now = list.with(found, was)
    } else if (was !== null && list && stays >= 0) {
      edits.push({ edit: 'insert', path: where, position: 'start', value: primary }, swap(0))
      now = [was, ...list]
    } else if (stays >= 0) {
      return [{ edit: 'set', path: where, value: fallbacks.with(stays, primary) }, swap(stays)]
    } else {
      edits.push({ edit: 'set', path: first, value: primary })
    }
  }
  if (now === null) {
    if (fallbacks.length > 0) edits.push({ edit: 'set', path: where, value: fallbacks })
    return edits
  }
  // What is not ours to show (our own ref, or something that is no text) stays at the end.
  const hidden = now.filter((entry) => typeof entry !== 'string' || providerOf(entry) === OURS)
  return [...edits, ...listEdits(where, now, [...fallbacks, ...hidden])]
}

/**
 * Few edits that make one list of another. What comes in stands where something goes out, so that a comment there is
 * not lost; what goes far is moved, and its comment with it.
 */
export function listEdits(where: string, from: Json[], to: Json[]): Edit[] {
  const edits: Edit[] = []
  const now = [...from]
  const coming = [...to]
  const going: number[] = []
  from.forEach((item, index) => {
    const there = coming.findIndex((candidate) => same(candidate, item))
    if (there >= 0) coming.splice(there, 1)
    else going.push(index)
  })
  for (const index of going.splice(0, coming.length)) {
    const item = coming.shift()
    if (item === undefined) continue
    edits.push({ edit: 'set', path: where + path(index), value: item })
    now[index] = item
  }
  for (const index of going.reverse()) {
    edits.push({ edit: 'remove', path: where + path(index) })
    now.splice(index, 1)
  }
  // One entry that goes far down is one move, and not one for each that it passes.
  for (let index = 0; index < to.length; index += 1) {
    const item = to[index]
    if (item === undefined || same(now[index], item)) continue
    const found = now.findIndex((candidate, place) => place > index && same(candidate, item))
    const next = now[index]
    if (found < 0) {
      edits.push({ edit: 'insert', path: where, position: { at: index }, value: item })
      now.splice(index, 0, item)
    } else if (found === index + 1 && next !== undefined && !same(to[index + 1], next)) {
      const target = Math.min(to.findIndex((candidate, place) => place > index && same(candidate, next)), now.length - 1)
      edits.push({ edit: 'move', path: where, entry: index, position: { at: target } })
      now.splice(index, 1)
      now.splice(target, 0, next)
      index -= 1
    } else {
      edits.push({ edit: 'move', path: where, entry: found, position: { at: index } })
      now.splice(found, 1)
      now.splice(index, 0, item)
    }
  }
  return edits
}

export type Template = 'hosted-first' | 'local-first'

/**
 * The two chains of OpenClaw's "Local models": a hosted primary with the local ones to fall back to, or the local ones
 * first and the hosted ones as a safety net. Null where a kind of model is missing.
 */
export function templateChain(template: Template, value: Json, providers: ProviderEntry[]): string[] | null {
  const models = modelsOf(providers)
  const places = new Map(providers.map((provider) => [provider.id, provider.location]))
  const placeOf = (model: ModelEntry) => places.get(model.provider) ?? 'hosted'
  const inChain = chainOf(value).entries
  const known = inChain.flatMap((entry) => {
    const model = resolve(entry, models)
    return model ? [{ entry, model }] : []
  })
  const of = (place: 'local' | 'hosted') => {
    const there = known.filter(({ model }) => placeOf(model) === place).map(({ entry }) => entry)
    if (there.length > 0) return there
    const first = models.find((model) => placeOf(model) === place)
    return first ? [first.ref] : []
  }
  const local = of('local')
  const hosted = of('hosted')
  const unknown = inChain.filter((entry) => !known.some((one) => one.entry === entry))
  const [first, ...others] = hosted
  if (first === undefined || local.length === 0) return null
  return template === 'hosted-first' ? [first, ...local, ...others, ...unknown] : [...local, ...hosted, ...unknown]
}

/** A template's edits: the chain, and the mode that keeps hosted models available. */
export function templateEdits(template: Template, value: Json, providers: ProviderEntry[]): Edit[] {
  const chain = templateChain(template, value, providers)
  if (chain === null) return []
  const edits = chainEdits(value, chain)
  if (modeOf(value) === 'replace') edits.push({ edit: 'set', path: 'models.mode', value: 'merge' })
  return edits
}

export function modeOf(value: Json): 'merge' | 'replace' {
  return at(value, ['models', 'mode']) === 'replace' ? 'replace' : 'merge'
}

/** Sets a member to a value, or takes it away where there is none. */
export function put(value: Json, where: string, next: Json | undefined): Edit[] {
  const found = at(value, where)
  if (next === undefined) return found === undefined ? [] : [{ edit: 'remove', path: where }]
  return same(found, next) ? [] : [{ edit: 'set', path: where, value: next }]
}

export function aliasEdits(value: Json, ref: string, alias: string): Edit[] {
  const name = alias.trim()
  const entry = at(value, [...ALIASES, ref])
  // An empty entry still lets the model be chosen, so only the alias goes.
  if (name === '') return put(value, aliasPath(ref), undefined)
  return isObject(entry) || entry === undefined ? put(value, aliasPath(ref), name) : [{ edit: 'set', path: path(...ALIASES, ref), value: { alias: name } }]
}

export function addProviderEdits(value: Json, id: string, provider: Json, models: Json[]): Edit[] {
  const whole = isObject(provider) ? { ...provider, models: Array.isArray(provider.models) && provider.models.length > 0 ? provider.models : models } : provider
  const edits: Edit[] = [{ edit: 'set', path: providerPath(id), value: whole }]
  if (at(value, ['models', 'mode']) === undefined) edits.unshift({ edit: 'set', path: 'models.mode', value: 'merge' })
  return edits
}

/** An id that no provider has: `openrouter`, `openrouter-2`. */
export function freeId(value: Json, wanted: string): string {
  const taken = objectAt(value, PROVIDERS)
  let id = wanted
  for (let number = 2; Object.hasOwn(taken, id); number += 1) id = `${wanted}-${number}`
  return id
}

/** Another id for a provider, wherever it is named. */
export function renameProviderEdits(value: Json, from: string, to: string): Edit[] {
  const move = (ref: string) => (providerOf(ref) === from ? to + ref.slice(from.length) : ref)
  return [{ edit: 'rename', path: providerPath(from), key: to }, ...renameRefs(value, move)]
}

/** Another id for a model, wherever it is named. */
export function renameModelEdits(value: Json, provider: string, index: number, to: string): Edit[] {
  const from = at(value, [...PROVIDERS, provider, 'models', index, 'id'])
  const edits: Edit[] = [{ edit: 'set', path: providerPath(provider, 'models', index, 'id'), value: to }]
  if (typeof from !== 'string') return edits
  const old = `${provider}/${from}`
  return [...edits, ...renameRefs(value, (ref) => (ref === old ? `${provider}/${to}` : ref))]
}

/** Takes a provider away, and its models out of the chain and the list of aliases. */
export function removeProviderEdits(value: Json, id: string, builtIn: boolean): Edit[] {
  const edits: Edit[] = [{ edit: 'remove', path: providerPath(id) }]
  return builtIn ? edits : [...edits, ...forget(value, (ref) => providerOf(ref) === id, id)]
}

export function removeModelEdits(value: Json, provider: string, index: number): Edit[] {
  const id = at(value, [...PROVIDERS, provider, 'models', index, 'id'])
  const edits: Edit[] = [{ edit: 'remove', path: providerPath(provider, 'models', index) }]
  const twins = rowsOf(value, provider, objectAt(value, [...PROVIDERS, provider])).filter((row) => row.id === id)
  if (twins.length > 1) return edits
  return [...edits, ...forget(value, (ref) => ref === `${provider}/${String(id)}`, provider)]
}

export function addModelEdits(value: Json, provider: string, rows: Json[]): Edit[] {
  const where = providerPath(provider, 'models')
  if (!Array.isArray(at(value, where))) return [{ edit: 'set', path: where, value: rows }]
  return rows.map((row) => ({ edit: 'insert', path: where, position: 'end', value: row }))
}

/** A row of the configuration for a model that a server lists: only what is known. */
export function rowFor(listed: ListedModel): JsonObject {
  const context = listed.loadedContext ?? listed.contextLength
  return {
    id: listed.id,
    name: listed.name || listed.id,
    ...(listed.reasoning !== null && { reasoning: listed.reasoning }),
    ...(listed.vision !== null && { input: listed.vision ? ['text', 'image'] : ['text'] }),
    ...(listed.cost !== null && { cost: { ...listed.cost } }),
    ...(context !== null && { contextWindow: context }),
    ...(listed.maxTokens !== null && (context === null || listed.maxTokens < context) && { maxTokens: listed.maxTokens }),
  }
}

/** The members of an object that are not among these, in their order. */
export function restOf(value: JsonObject, known: readonly string[]): [string, Json][] {
  return Object.entries(value).filter(([key]) => !known.includes(key))
}

/** Presets whose id or title holds a text. */
export function searchPresets(presets: Preset[], query: string): Preset[] {
  const folded = query.trim().toLowerCase()
  return presets.filter((preset) => `${preset.id} ${preset.title} ${preset.description}`.toLowerCase().includes(folded))
}

/** Where an address is: on this machine or its network, or elsewhere. The engine's own answer is better. */
export function locationOf(baseUrl: string | null): 'local' | 'hosted' {
  let host: string
  try {
    host = new URL(baseUrl ?? '').hostname.replace(/^\[|\]$/g, '')
  } catch {
    return 'hosted'
  }
  if (host === 'localhost' || host.endsWith('.localhost') || host.endsWith('.local')) return 'local'
  if (host === '::1' || /^f[cd][0-9a-f]{2}:|^fe[89ab][0-9a-f]:/i.test(host)) return 'local'
  return /^(127\.|10\.|192\.168\.|169\.254\.|172\.(1[6-9]|2\d|3[01])\.)[\d.]+$/.test(host) ? 'local' : 'hosted'
}

export function providerOf(ref: string): string {
  const slash = ref.indexOf('/')
  return slash < 0 ? '' : ref.slice(0, slash)
}

export function text(value: Json | undefined): string | null {
  return typeof value === 'string' ? value : null
}

/** The engine writes ids in small letters, as OpenClaw reads them. */
function viewOf(id: string, views: ProviderView[]): ProviderView | null {
  return views.find((view) => view.id === id.trim().toLowerCase()) ?? null
}

function objectAt(value: Json, where: string[]): JsonObject {
  const found = at(value, where)
  return isObject(found) ? found : {}
}

function aliasOf(value: Json, ref: string): string | null {
  return text(at(value, [...ALIASES, ref, 'alias']))
}

/** Refs that the chain or the list of aliases names, each once, in that order. */
function namedRefs(value: Json): string[] {
  const written = [...chainOf(value).entries, ...Object.keys(objectAt(value, ALIASES))]
  return [...new Set(written.filter((ref) => ref.includes('/') && !ref.endsWith('/*')))]
}

function namedModel(value: Json, ref: string): ModelEntry {
  const provider = providerOf(ref)
  const id = ref.slice(provider.length + 1)
  return { ref, provider, id, name: id, alias: aliasOf(value, ref), index: null }
}

function rowsOf(value: Json, id: string, provider: JsonObject): ModelEntry[] {
  const rows = Array.isArray(provider.models) ? provider.models : []
  return rows.flatMap((row, index): ModelEntry[] => {
    if (!isObject(row)) return []
    const model = text(row.id) ?? ''
    const ref = `${id}/${model}`
    return [{ ref, provider: id, id: model, name: text(row.name) ?? model, alias: aliasOf(value, ref), index }]
  })
}

function renameRefs(value: Json, move: (ref: string) => string): Edit[] {
  const edits: Edit[] = []
  const model = at(value, CHAIN)
  if (typeof model === 'string' && move(model) !== model) edits.push({ edit: 'set', path: path(...CHAIN), value: move(model) })
  if (isObject(model)) {
    const primary = text(model.primary)
    if (primary !== null && move(primary) !== primary) edits.push({ edit: 'set', path: path(...CHAIN, 'primary'), value: move(primary) })
    const fallbacks = Array.isArray(model.fallbacks) ? model.fallbacks : []
    fallbacks.forEach((entry, index) => {
      if (typeof entry === 'string' && move(entry) !== entry) edits.push({ edit: 'set', path: path(...CHAIN, 'fallbacks', index), value: move(entry) })
    })
  }
  for (const ref of Object.keys(objectAt(value, ALIASES))) {
    if (move(ref) !== ref) edits.push({ edit: 'rename', path: path(...ALIASES, ref), key: move(ref) })
  }
  return edits
}

/** Takes refs out of the chain (by alias too) and the list of aliases. */
function forget(value: Json, gone: (ref: string) => boolean, provider: string): Edit[] {
  const rows = rowsOf(value, provider, objectAt(value, [...PROVIDERS, provider])).filter((row) => gone(row.ref))
  const { entries } = chainOf(value)
  const kept = entries.filter((entry) => !gone(entry) && !resolve(entry, rows))
  const aliases = Object.keys(objectAt(value, ALIASES)).filter(gone)
  return [...chainEdits(value, kept), ...aliases.map((ref): Edit => ({ edit: 'remove', path: path(...ALIASES, ref) }))]
}
