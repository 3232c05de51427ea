/** What a user adds to a registry, checked: where a hook runs, and how it is made. */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as FeatureHook from "../../FeatureHook.ts"
import * as Check from "../check.ts"
import type { Planned } from "./add.ts"
import type { Info } from "./member.ts"
import * as Owned from "./owned.ts"

type Placement = Pick<Info, "name"> & { readonly [Name in keyof Info]?: Info[Name] | undefined }

interface Entry extends Placement {
  readonly hook: FeatureHook.Any | Effect.Effect<FeatureHook.Any, unknown, unknown>
}

interface PlainEntry extends Placement {
  readonly hook: Owned.Source
}

const owner = "HookRegistry.add"

const infoOf = (entry: Placement & { readonly hook: unknown }, isHook: Check.Rule): Info => {
  const { after = [], before = [], description, hook, isEnabled = true, name, priority = 0, version } = Check.options(
    owner,
    entry,
    {
      name: Check.aText,
      description: Check.aString,
      version: Check.aString,
      priority: Check.aNumber,
      before: Check.names,
      after: Check.names,
      isEnabled: Check.aBoolean,
      hook: isHook
    }
  )
  // The rules are not asked about what is missing.
  Check.aText(owner, "name", name)
  isHook(owner, "hook", hook)
  // A list that changes later must not change the order.
  return { name, description, version, priority, before: [...before], after: [...after], isEnabled }
}

const isSource: Check.Rule = (owner, name, value) => {
  if (!FeatureHook.isFeatureHook(value) && !Effect.isEffect(value)) {
    Check.reject(owner, name, "a FeatureHook, or an effect that makes one", value)
  }
}

export const planned = (entry: Entry): Planned<unknown, unknown> => {
  const info = infoOf(entry, isSource)
  return { info, hook: FeatureHook.isFeatureHook(entry.hook) ? Effect.succeed(entry.hook) : entry.hook }
}

const isPlainSource: Check.Rule = (owner, name, value) => {
  if (!Owned.isSource(value)) {
    Check.reject(owner, name, "a FeatureHook, a hook with what it owns, or a function that makes one", value)
  }
}

/** For an application without Effect. */
export const plainPlanned = (entry: PlainEntry): Planned<unknown, Scope.Scope> => ({
  info: infoOf(entry, isPlainSource),
  hook: Effect.map(
    Owned.acquire(entry.hook),
    (made) =>
      FeatureHook.isFeatureHook(made)
        ? made
        : Check.reject(owner, "the result of hook", "a FeatureHook, or a hook with what it owns", made)
  )
})
