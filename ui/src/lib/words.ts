// What the engine's state means, in sentences. Pure functions of `AppState`; no component composes a sentence about a
// model's state itself, so that one thing is called one way everywhere.
import type { ContextMend } from './backend/backend'
import type { AppState } from './bindings/AppState'
import type { NoticeKind } from './bindings/NoticeKind'
import type { CooldownSummary } from './bindings/CooldownSummary'
import type { Light } from './bindings/Light'
import type { LiveRequest } from './bindings/LiveRequest'
import type { ModelState } from './bindings/ModelState'
import type { ModelSummary } from './bindings/ModelSummary'
import type { PassedOver } from './bindings/PassedOver'
import type { RequestOutcome } from './bindings/RequestOutcome'
import type { RuntimeSummary } from './bindings/RuntimeSummary'
import type { ServedRequest } from './bindings/ServedRequest'
import { elapsed, tokens } from './format'

/** How a state is coloured; never the only sign of it. */
export type Tone = 'good' | 'busy' | 'hosted' | 'quiet' | 'warning' | 'bad'

/** A model's state as it is shown. */
export interface StateWords {
  text: string
  tone: Tone
  /** While it loads: the part that is done, from 0 to 1, or null where there is nothing to judge it by. */
  progress?: number | null
}

/** The alias, else the name. */
export function titleOf(model: ModelSummary): string {
  return model.alias ?? model.name
}

/** What a person calls a ref: the alias or name of the configured model, else the ref itself. */
export function nameOf(state: AppState, ref: string): string {
  const model = state.models.find((candidate) => candidate.ref === ref)
  return model ? titleOf(model) : ref
}

/** The chain's models, in order. A ref without a configured model cannot be shown and is one of the problems. */
export function chainOf(state: AppState): ModelSummary[] {
  return state.chain.flatMap((ref) => state.models.find((model) => model.ref === ref) ?? [])
}

/** The configured models that no request for `primary` reaches, in the file's order. */
export function othersOf(state: AppState): ModelSummary[] {
  return state.models.filter((model) => !state.chain.includes(model.ref))
}

/** The model that a request for `primary` would be tried at first, if any: the engine says it. */
export function answering(state: AppState): ModelSummary | null {
  return state.models.find((model) => model.ref === state.answering) ?? null
}

/** Why a model is passed over just now, if it is. One that is half-open is asked next. */
export function cooldownOf(state: AppState, ref: string): CooldownSummary | null {
  const concerns = (one: CooldownSummary) => (one.model === null ? ref.startsWith(`${one.provider}/`) : one.model === ref)
  return state.cooldowns.find((one) => concerns(one) && !one.halfOpen) ?? null
}

/** Who cools down: a model as a person calls it, or all of a provider. */
export function cooldownTitle(state: AppState, cooldown: CooldownSummary): string {
  return cooldown.model === null ? cooldown.provider : nameOf(state, cooldown.model)
}

/** What becomes of it, as of `now`. */
export function cooldownWords(cooldown: CooldownSummary, now: number): string {
  if (cooldown.halfOpen) return 'The next request for it shows whether it is well again.'
  const left = `for ${elapsed(Math.max(1_000, cooldown.until - now))} more`
  const key = cooldown.cause === 'unauthorized' ? ', or until its key changes' : ''
  return `Requests go to others ${left}${key}.`
}

/** The state of a model that is passed over just now, as of `now`; null where its own state says more. */
export function coolingWords(model: ModelSummary, cooldown: CooldownSummary | null, now: number): StateWords | null {
  if (cooldown === null || model.barred !== null || !['ready', 'warm', 'unknown'].includes(model.state.kind)) return null
  return { text: `cooling down, ${elapsed(Math.max(1_000, cooldown.until - now))} more`, tone: 'warning' }
}

/** A model's state in words, as of `now`. */
export function stateWords(model: ModelSummary, now: number): StateWords {
  const { state } = model
  if (model.barred !== null) return { text: `not asked: ${model.barred}`, tone: 'warning' }
  switch (state.kind) {
    case 'ready':
      return { text: 'ready', tone: 'hosted' }
    case 'warm':
      return { text: warmWords(model), tone: contextIsShort(model) ? 'warning' : 'good' }
    case 'loading':
      return { text: loadingWords(model, state, now), tone: 'busy', progress: loadingProgress(model, state, now) }
    case 'cold':
      return { text: state.reason ? `cold: ${state.reason}` : 'cold: not in memory', tone: 'quiet' }
    case 'missing':
      return { text: 'missing: its server answers and does not have it', tone: 'bad' }
    case 'unreachable':
      return { text: `unreachable: ${state.reason}`, tone: 'bad' }
    case 'unknown':
      return { text: model.location === 'local' ? 'state not known: its server does not say' : 'not asked yet', tone: 'quiet' }
  }
}

/** What else the runtime of a local model tells of it, as of `now`: quantisation, size, when its idle timer strikes. */
export function toldFacts(model: ModelSummary, now: number): string[] {
  const { quantization, sizeBytes, staysUntil } = model
  const warm = model.state.kind === 'warm'
  return [
    ...(quantization === null ? [] : [quantization]),
    ...(sizeBytes === null ? [] : [`${(sizeBytes / 1e9).toFixed(1)} GB`]),
    ...(warm && staysUntil !== null && staysUntil > now ? [`goes in ${elapsed(staysUntil - now)} unless it is used`] : []),
  ]
}

/** Whether less context is loaded than the configuration promises, so that long prompts fail. */
export function contextIsShort(model: ModelSummary): boolean {
  return model.loadedContext !== null && model.contextWindow !== null && model.loadedContext < model.contextWindow
}

/** The runtime that has a model, where it is a local one. */
export function runtimeOf(model: ModelSummary, state: AppState | null): RuntimeSummary | null {
  return state?.runtimes.find((one) => model.ref.startsWith(`${one.provider}/`)) ?? null
}

/** What can be done from here about a context that is loaded smaller than the configuration says. */
export function contextMends(model: ModelSummary, state: AppState | null): { how: ContextMend; word: string; title: string }[] {
  const { loadedContext: loaded, contextWindow: window } = model
  if (loaded === null || window === null) return []
  const runtime = runtimeOf(model, state)
  const reload = runtime?.setsContext
    ? {
        how: 'reload' as const,
        word: `Set ${tokens(window)} in ${runtime.title} and reload`,
        title: `Sets num_ctx of the model in ${runtime.title} to ${window}, and loads it anew`,
      }
    : { how: 'reload' as const, word: `Reload with ${tokens(window)}`, title: 'Loads it anew, with what the configuration says' }
  const lower = { how: 'lower' as const, word: `Lower to ${tokens(loaded)}`, title: `Writes ${loaded} into the configuration as contextWindow` }
  return model.manageable && (runtime?.loadContext || runtime?.setsContext) ? [reload, lower] : [lower]
}

/** How a runtime that cannot be told from here is given more context; null where a button does it. */
export function contextAdvice(model: ModelSummary, state: AppState | null): string | null {
  const runtime = runtimeOf(model, state)
  if (!runtime || runtime.loadContext || runtime.setsContext || runtime.contextSetBy === null) return null
  return `To load it with more: ${runtime.contextSetBy}.`
}

/** One word or two for a state, inside a sentence. */
export function stateWord(state: ModelState): string {
  switch (state.kind) {
    case 'missing':
      return 'missing on its server'
    case 'unknown':
      return 'not known'
    default:
      return state.kind
  }
}

/** The light as a word. */
export function lightWord(light: Light): string {
  return { warm: 'Warm', loading: 'Loading', hosted: 'Hosted', trouble: 'Trouble', stopped: 'Stopped' }[light]
}

/** What is answering now and why, in a sentence or two. */
export function explain(state: AppState, now: number): string {
  if (state.light === 'stopped') return 'The proxy is not listening, so no client can connect.'
  const chain = chainOf(state)
  if (state.models.length === 0) return 'The configuration has no model yet.'
  if (chain.length === 0) return 'No primary is set, so only requests that name a model can be answered. Choose a primary below.'

  const model = answering(state)
  const resting = chain.find((one) => cooldownOf(state, one.ref))
  if (!model && resting) return `Nothing in the chain can answer at once. ${titleOf(resting)} is cooling down, and is asked all the same.`
  if (!model) return explainNobody(chain, now)
  if (state.light === 'trouble') return explainFailure(model, state.recent[0])

  const before = chain.slice(0, chain.indexOf(model))
  const title = titleOf(model)
  const first = before[0]
  if (!first) {
    if (model.state.kind === 'warm') return `${title} answers: it is the primary, and it is in memory.`
    if (model.location === 'hosted') return `${title} answers: it is the primary, and it is hosted.`
    return `${title} is asked first: it is the primary.`
  }
  const until = first.state.kind === 'loading' ? `until ${titleOf(first)} is warm` : `instead of ${titleOf(first)}`
  const [, ...further] = before
  const clause = (one: ModelSummary) => (cooldownOf(state, one.ref) ? 'cooling down' : stateClause(one, now))
  const reasons = [`it is ${clause(first)}`, ...further.map((one) => `${titleOf(one)} is ${clause(one)}`)]
  return `${title} answers ${until}: ${sentenceList(reasons)}.`
}

/** What a screen reader is told when it changes. No clock in it: it must change only when something happened. */
export function announcement(state: AppState): string {
  const model = answering(state)
  const word = lightWord(state.light)
  return model && state.light !== 'trouble' ? `${word}. ${titleOf(model)} answers.` : `${word}. ${state.status}`
}

/** What a request under way is doing. */
export function phaseWords(request: LiveRequest): string {
  return { loading: 'waiting for it to load', asking: 'asked, no content yet', streaming: 'streaming' }[request.phase]
}

/** How a request ended. */
export function outcomeWords(request: ServedRequest): { text: string; tone: Tone } {
  const words: Record<RequestOutcome, { text: string; tone: Tone }> = {
    served: { text: 'served', tone: 'good' },
    cut: { text: 'cut off', tone: 'bad' },
    failed: { text: `failed, ${request.httpStatus}`, tone: 'bad' },
    cancelled: { text: 'client left', tone: 'quiet' },
  }
  return words[request.outcome]
}

/** Why others did not serve it, in order: `MiniMax: loading for 12 s`. */
export function passedOverWords(state: AppState, passed: PassedOver[]): string[] {
  return passed.map((one) => `${nameOf(state, one.model)}: ${one.detail || one.code}`)
}

/** What a person calls a runtime. */
export function runtimeTitle(runtime: RuntimeSummary): string {
  const known = !['unknown', 'openai-compatible'].includes(runtime.kind)
  return known ? runtime.title : `The server of ${runtime.provider}`
}

/** What to do about a runtime that does not answer. `command` is something to type, where there is such a thing. */
export function runtimeAdvice(runtime: RuntimeSummary): { text: string; command?: string } {
  if (runtime.kind === 'lmstudio') {
    return { text: 'Open LM Studio and start its server, or type', command: 'lms server start' }
  }
  return { text: 'Start it, or correct its baseUrl in the configuration.' }
}

/** Whether anything that has a price was served, so that the day's cost says something. */
export function costIsKnown(state: AppState): boolean {
  return state.costToday > 0 || state.recent.some((request) => request.cost !== null)
}

/** A line for a terminal that asks the primary something, in an API that the primary speaks. */
export function tryIt(state: AppState): string | null {
  const primary = chainOf(state)[0]
  if (state.endpoint === null || !primary) return null
  const [path, body] = request(primary.api)
  return [
    `curl ${state.endpoint}${path} \\`,
    `  -H "Authorization: Bearer $(pilotlight token)" \\`,
    `  -H 'Content-Type: application/json' \\`,
    `  -d '${JSON.stringify(body)}'`,
  ].join('\n')
}

function request(api: string): [path: string, body: object] {
  const messages = [{ role: 'user', content: 'Say hello' }]
  switch (api) {
    case 'openai-completions':
      return ['/chat/completions', { model: 'primary', messages }]
    case 'anthropic-messages':
      return ['/messages', { model: 'primary', max_tokens: 100, messages }]
    default:
      return ['/responses', { model: 'primary', input: 'Say hello' }]
  }
}

function warmWords(model: ModelSummary): string {
  const { loadedContext: loaded, contextWindow: window } = model
  if (loaded !== null && window !== null) return `warm · ${tokens(loaded)} of ${tokens(window)} context loaded`
  if (loaded !== null) return `warm · ${tokens(loaded)} context loaded`
  return 'warm'
}

function loadingWords(model: ModelSummary, state: Extract<ModelState, { kind: 'loading' }>, now: number): string {
  const done = model.progress === null ? 'loading' : `loading, ${model.progress}%`
  const soFar = elapsed(now - state.since)
  if (state.expected === null) return `${done}, ${soFar}`
  const usual = elapsed(Math.ceil(state.expected / 1_000) * 1_000)
  return now - state.since <= state.expected ? `${done}, ${soFar} of about ${usual}` : `${done}, ${soFar}, usually about ${usual}`
}

/** By the runtime's word, else by the time: then never quite full, for only the runtime knows when a load is done. */
function loadingProgress(model: ModelSummary, state: Extract<ModelState, { kind: 'loading' }>, now: number): number | null {
  if (model.progress !== null) return model.progress / 100
  if (!state.expected) return null
  return Math.min(0.97, Math.max(0, (now - state.since) / state.expected))
}

function stateClause(model: ModelSummary, now: number): string {
  const { state } = model
  if (model.barred !== null) return `not asked (${model.barred})`
  if (state.kind === 'loading') return loadingWords(model, state, now)
  if (state.kind === 'cold' && state.reason) return `cold (${state.reason})`
  if (state.kind === 'unreachable') return `unreachable (${state.reason})`
  return stateWord(state)
}

function explainNobody(chain: ModelSummary[], now: number): string {
  const loading = chain.find((model) => model.state.kind === 'loading')
  if (loading) return `Requests wait for ${titleOf(loading)}: it is ${stateClause(loading, now)}.`
  const reasons = sentenceList(chain.map((model) => `${titleOf(model)} is ${stateClause(model, now)}`))
  const cold = chain.find((model) => model.state.kind === 'cold' && model.manageable)
  if (cold) return `Nothing is in memory: ${reasons}. The next request loads ${titleOf(cold)} and waits for it.`
  return `Nothing in the chain can answer: ${reasons}.`
}

function explainFailure(model: ModelSummary, last: ServedRequest | undefined): string {
  const tried = last?.passedOver.find((one) => one.model === model.ref)
  const why = tried ? `: ${tried.detail || tried.code}` : ''
  return `The last request failed at ${titleOf(model)}${why}. The next one tries again.`
}

function sentenceList(items: string[]): string {
  return items.length < 2 ? items.join('') : `${items.slice(0, -1).join(', ')} and ${items.at(-1)}`
}

const NOTICE_KINDS: Record<NoticeKind, string> = {
  unloaded: 'Unloads',
  back: 'Returns',
  'hosted-meanwhile': 'Hosted models that answer instead',
  'load-failed': 'Failed loads',
  configuration: 'Mistakes in files',
  'passed-over': 'Failing models',
  'key-refused': 'Refused keys',
  cut: 'Broken answers',
}

/** A kind of notices, as a person calls them. */
export function noticeKind(kind: NoticeKind): string {
  return NOTICE_KINDS[kind]
}
