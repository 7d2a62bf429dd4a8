// What the engine says of the configuration, and what it is asked: the generated types, with JSON where the engine has
// any value. Secrets are masks in all of it.
import type { ConfigDocument as AnyDocument } from '../bindings/ConfigDocument'
import type { ConfigFix } from '../bindings/ConfigFix'
import type { ConfigPreview as AnyPreview } from '../bindings/ConfigPreview'
import type { ConfigProblem } from '../bindings/ConfigProblem'
import type { PresetView } from '../bindings/PresetView'
import type { Edit, Json } from './draft'

export type { ConfigFile as SourceText } from '../bindings/ConfigFile'
export type { ConflictingFile as FileConflict } from '../bindings/ConflictingFile'
export type { FetchedModel as ListedModel } from '../bindings/FetchedModel'
export type { HistoryEntry } from '../bindings/HistoryEntry'
export type { KeyKept } from '../bindings/KeyKept'
export type { KeyRequest as KeyChange } from '../bindings/KeyRequest'
export type { KeyStand as KeyPlace } from '../bindings/KeyStand'
export type { ProviderRequest as ProviderSubject } from '../bindings/ProviderRequest'
export type { ProviderTest } from '../bindings/ProviderTest'
export type { ProviderView } from '../bindings/ProviderView'
export type { Saved } from '../bindings/Saved'
export type { TestStep } from '../bindings/TestStep'

type With<Whole, Part> = Omit<Whole, keyof Part> & Part

/** Something that is known to mend a problem. */
export type Fix = With<ConfigFix, { edits: Edit[] }>
export type Problem = With<ConfigProblem, { fix: Fix | null }>
export type Preset = With<PresetView, { provider: Json; models: Json[] }>
export type ConfigDocument = With<AnyDocument, { value: Json; diagnostics: Problem[]; presets: Preset[] }>
export type ConfigPreview = With<AnyPreview, { value: Json; diagnostics: Problem[] }>
