/** The options that metrics, spans and events have in common, and the attributes that they ask for. */
import type { EvaluationDetails } from "../../EvaluationDetails.ts"
import type { HookContext } from "../../HookContext.ts"
import * as Check from "../../internal/check.ts"
import { isRecord, readOwn, tryOr } from "../../internal/untrusted.ts"
import * as Privacy from "../../Privacy.ts"
import { type Attributes, isScalar, Writer } from "./attributes.ts"
import * as Conventions from "./conventions.ts"

/** Attributes to add. One that is `undefined` is left out. */
export type Added = Readonly<Record<string, string | number | boolean | undefined>>

export interface Options extends Privacy.Options {
  /** Attributes to add: fixed ones, or a function of the evaluation. If it throws, it adds nothing. */
  readonly attributes?:
    | Added
    | ((context: HookContext, details: EvaluationDetails | undefined) => Added)
    | undefined
  /** Names of flag metadata to add as attributes; none by default. */
  readonly dimensions?: ReadonlyArray<string> | undefined
  /** Names of attributes to leave out, from any source; none by default. */
  readonly exclude?: ReadonlyArray<string> | undefined
  /** Receives the attributes at last, and returns those to write. If it throws, none are written. */
  readonly rewrite?: ((attributes: Attributes) => Added) | undefined
  /** The version of the attribute names, `"1.45"` by default. */
  readonly version?: Conventions.Version | undefined
}

const attributesRule: Check.Rule = (owner, name, value) => {
  if (typeof value === "function") return
  if (!isRecord(value)) return Check.reject(owner, name, "an object or a function", value)
  for (const [key, one] of Object.entries(value)) {
    if (one !== undefined && typeof one !== "string" && !isScalar(one)) {
      Check.reject(owner, `${name}.${key}`, "a text, a finite number, or a boolean", one)
    }
  }
}

export const rules: Check.Rules<Options> = {
  ...Privacy.rules,
  attributes: attributesRule,
  dimensions: Check.names,
  exclude: Check.names,
  rewrite: Check.aFunction,
  version: Check.among(...Conventions.versions)
}

/** Options that a hook has checked. */
export class Vocabulary {
  readonly names: Conventions.Names
  readonly privacy: Privacy.Privacy
  readonly writer: Writer
  /** Whether different evaluations can have different additional attributes. */
  readonly isVariable: boolean
  readonly #fixed: Added | undefined
  readonly #further: ((context: HookContext, details: EvaluationDetails | undefined) => Added) | undefined
  readonly #dimensions: ReadonlyArray<string>
  readonly #exclude: ReadonlyArray<string>
  readonly #rewrite: Options["rewrite"]
  readonly #isPlain: boolean

  constructor(options: Options) {
    const { attributes, dimensions = [], exclude = [], rewrite } = options
    this.names = Conventions.names[options.version ?? Conventions.newestVersion]
    this.privacy = Privacy.fromChecked(options)
    this.writer = new Writer(this.privacy, this.names)
    this.isVariable = typeof attributes === "function" || dimensions.length > 0
    this.#fixed = typeof attributes === "function" ? undefined : attributes
    this.#further = typeof attributes === "function" ? attributes : undefined
    this.#dimensions = dimensions
    this.#exclude = exclude
    this.#rewrite = rewrite
    this.#isPlain = attributes === undefined && dimensions.length === 0 && exclude.length === 0 && rewrite === undefined
  }
  /** The attributes of a span that starts. */
  begin(context: HookContext): Attributes {
    const attributes = this.writer.request(context)
    return this.#isPlain ? attributes : this.shape(attributes, context, undefined)
  }
  /** The attributes of a span that ends. Those that it started with are left out, unless they can change. */
  end(context: HookContext, details: EvaluationDetails): Attributes {
    return this.#isPlain ? this.writer.result({}, context, details) : this.whole(context, details)
  }
  /** The attributes of an event. */
  whole(context: HookContext, details: EvaluationDetails): Attributes {
    const attributes = this.writer.result(this.writer.request(context), context, details)
    return this.#isPlain ? attributes : this.shape(attributes, context, details)
  }
  /** Adds, excludes and rewrites. `prefix` is that of the names of flag metadata. */
  shape(attributes: Attributes, context: HookContext, details: EvaluationDetails | undefined, prefix = ""): Attributes {
    if (this.#isPlain) return attributes
    this.addFixed(attributes)
    this.addVariable(attributes, context, details, prefix)
    return this.finish(attributes)
  }
  /** Adds the attributes that are the same for all evaluations. */
  addFixed(attributes: Attributes): void {
    if (this.#fixed !== undefined) this.#addAll(attributes, this.#fixed)
  }
  /** Adds the attributes that depend on the evaluation. */
  addVariable(
    attributes: Attributes,
    context: HookContext,
    details: EvaluationDetails | undefined,
    prefix = ""
  ): void {
    const dimensions = this.#dimensions
    for (const name of dimensions) {
      const found = readOwn(details?.flagMetadata, name)
      if (found !== undefined) this.#add(attributes, prefix + name, this.privacy.keep(`metadata.${name}`, found))
    }
    const further = this.#further
    if (further !== undefined) this.#addAll(attributes, tryOr(() => ({ ...further(context, details) }), () => ({})))
  }
  /** Excludes and rewrites. A rewritten attribute does not bring an excluded one back. */
  finish(attributes: Attributes): Attributes {
    const rewrite = this.#rewrite
    for (const name of this.#exclude) delete attributes[name]
    if (rewrite === undefined) return attributes
    const rewritten: Attributes = {}
    this.#addAll(rewritten, tryOr(() => ({ ...rewrite(attributes) }), () => ({})))
    for (const name of this.#exclude) delete rewritten[name]
    return rewritten
  }
  #addAll(attributes: Attributes, added: Added): void {
    for (const [name, value] of Object.entries(added)) this.#add(attributes, name, value)
  }
  #add(attributes: Attributes, name: string, value: unknown): void {
    if (typeof value === "string") attributes[name] = this.privacy.print(value)
    else if (isScalar(value)) attributes[name] = value
  }
}
