/** What a plugin is, and the check of a value that claims to be one. */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as SchemaIssue from "effect/SchemaIssue"
import * as SemVer from "effect/SemVer"
import * as SemVerRange from "effect/SemVerRange"
import * as FeatureHook from "../../../FeatureHook.ts"
import * as Part from "../../../internal/hook/part.ts"
import * as Owned from "../../../internal/registry/owned.ts"
import { oneLine } from "../../../internal/text.ts"
import { isRecord, read, readString, tryOr } from "../../../internal/untrusted.ts"
import { version } from "../../../internal/version.ts"
import { HookPluginError } from "./error.ts"

/** What a registry takes. */
export type Hook = FeatureHook.Any | Effect.Effect<FeatureHook.Any, unknown, unknown>

/** A hook, or what acquires one: an effect, or a plain function. */
export type Source = Hook | Owned.Source

const isHook = (value: unknown): value is Hook => FeatureHook.isFeatureHook(value) || Effect.isEffect(value)

const isSource = (value: unknown): value is Source => isHook(value) || Owned.isSource(value)

const isOfEffect3 = (value: unknown): boolean =>
  read(value, Symbol.for("effect/Effect")) !== undefined || read(value, Symbol.for("effect/Layer")) !== undefined

// The author of a plugin learns what the value is instead.
const expected = (value: unknown): string => {
  if (isOfEffect3(value)) return "is of Effect 3; a plugin needs Effect 4"
  if (isRecord(value) && Part.stages.some((stage) => typeof read(value, stage) === "function")) {
    return "is a hook of the SDK; convert it with OpenFeatureHook.toFeatureHook(name, hook)"
  }
  return "is neither a FeatureHook nor an effect or a function that makes one"
}

const Name = Schema.String.check(Schema.isNonEmpty(), Schema.isMaxLength(128))

const Entry = Schema.Struct({
  name: Name,
  // What a filter tells must not be followed by what the refinement tells.
  hook: Schema.Unknown.check(Schema.makeFilter((value) => isSource(value) || expected(value)).abort()).pipe(
    Schema.refine(isSource)
  ),
  description: Schema.optional(Schema.String),
  version: Schema.optional(Name),
  priority: Schema.optional(Schema.Finite),
  before: Schema.optional(Schema.Array(Name)),
  after: Schema.optional(Schema.Array(Name)),
  isEnabled: Schema.optional(Schema.Boolean)
})

const Range = Schema.String.check(
  Schema.makeFilter((text) => Result.isSuccess(SemVerRange.parse(text)) || "is not a range of versions, such as ^1.2.0")
)

const isLayer = (value: unknown): value is Layer.Layer<unknown, unknown> => Layer.isLayer(value)

const Definition = Schema.Struct({
  name: Name,
  version: Name,
  description: Schema.optional(Schema.String),
  requires: Schema.optional(Range),
  hooks: Schema.Array(Entry).check(
    Schema.isMinLength(1, { message: "a plugin needs at least one hook" }),
    Schema.isMaxLength(1000)
  ),
  layer: Schema.optional(
    Schema.Unknown.check(
      Schema.makeFilter((value) => isLayer(value) || (isOfEffect3(value) ? expected(value) : "is not a Layer")).abort()
    ).pipe(Schema.refine(isLayer))
  )
})

export type Definition = typeof Definition.Type

export type Entry = typeof Entry.Type

const decode = Schema.decodeUnknownExit(Definition, { onExcessProperty: "error", errors: "all" })

const print = SchemaIssue.makeFormatterDefault()

const issueOf = (exit: Exit.Exit<unknown, Schema.SchemaError>): SchemaIssue.Issue | undefined =>
  Exit.isFailure(exit) ? exit.cause.reasons.find((reason) => reason._tag === "Fail")?.error.issue : undefined

/** Returns a copy of the plugin that is known to be one. Reads the value only here. */
export const check = (value: unknown, file?: string): Result.Result<Definition, HookPluginError> => {
  const invalid = (text: string, issue?: SchemaIssue.Issue, cause?: unknown) => {
    const plugin = readString(value, "name")
    return Result.fail(new HookPluginError({ reason: "Invalid", text, file, plugin, issue, cause }))
  }
  const unreadable = (cause: unknown) => invalid("the export cannot be read", undefined, cause)
  if (isOfEffect3(value)) return invalid(`the export ${expected(value)}`)
  if (!isRecord(value)) return invalid("the export is not a plugin")
  return tryOr(() => {
    const exit = decode(value)
    if (Exit.isSuccess(exit)) return compatible(exit.value, file)
    const issue = issueOf(exit)
    return issue === undefined
      ? unreadable(exit.cause)
      : invalid(print(issue).replaceAll("\n  at ", " at ").replaceAll("\n", "; "), issue)
  }, unreadable)
}

const accepts = (range: string, one: string): boolean =>
  SemVerRange.matches(SemVerRange.parseUnsafe(range), SemVer.parseUnsafe(one))

const compatible = (definition: Definition, file: string | undefined): Result.Result<Definition, HookPluginError> => {
  const { hooks, name: plugin, requires } = definition
  const texts = requires !== undefined && !accepts(requires, version)
    ? [`requires version ${requires} of effect-openfeature, and this is ${version}`]
    : hooks.flatMap(({ hook }) => FeatureHook.isFeatureHook(hook) ? refusal(hook) ?? [] : [])
  const [text] = texts
  return text === undefined
    ? Result.succeed(definition)
    : Result.fail(new HookPluginError({ reason: "Incompatible", text, file, plugin }))
}

/** Returns why a hook of another copy of this library cannot run here. */
const refusal = (hook: FeatureHook.Any): string | undefined => {
  const foreign = FeatureHook.foreignVersion(hook)
  if (foreign === undefined) return undefined
  const isFine = tryOr(() => accepts(`^${foreign}`, version) || accepts(`^${version}`, foreign), () => false)
  if (isFine) return undefined
  const found = foreign === "" ? "a version before 0.2.0" : `version ${oneLine(foreign, 32)}`
  const name = oneLine(hook.name, 128)
  return `hook "${name}" was made by a copy of effect-openfeature with ${found}, and this is ${version}`
}

// The other copy looks for the services of a stage in its fiber.
const inFiber = (hook: FeatureHook.Any): FeatureHook.Any =>
  FeatureHook.foreignVersion(hook) === undefined ? hook : FeatureHook.transform(hook, (stage) => stage)

/** Returns a hook that runs here. */
export const adopt = (source: Source): Hook => {
  if (FeatureHook.isFeatureHook(source)) return inFiber(source)
  return Effect.flatMap(Effect.isEffect(source) ? source : Owned.acquire(source), acquired)
}

const acquired = (hook: unknown): Effect.Effect<FeatureHook.Any, HookPluginError> => {
  if (!FeatureHook.isFeatureHook(hook)) {
    return new HookPluginError({ reason: "Invalid", text: "an effect or a function did not make a FeatureHook" })
  }
  const text = refusal(hook)
  return text === undefined ? Effect.succeed(inFiber(hook)) : new HookPluginError({ reason: "Incompatible", text })
}
