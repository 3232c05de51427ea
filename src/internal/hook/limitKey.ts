/** What a limit is counted by. */
import * as Cause from "effect/Cause"
import { isPromiseLike } from "effect/Predicate"
import type { HookContext } from "../../HookContext.ts"
import * as HookHints from "../../HookHints.ts"
import * as Check from "../check.ts"
import { netstring } from "../hash.ts"
import { oneLine } from "../text.ts"
import { ignoreRejection, isRecord, readOwn, readString, tryOr } from "../untrusted.ts"
import { tell } from "./tell.ts"
import { many } from "./unseen.ts"
import { attributeOf, domainOf, targetingKeyOf } from "./view.ts"

export type By =
  | "all"
  | "domain"
  | "flag"
  | "subject"
  | "subjectAndFlag"
  | {
    /** The name of an attribute with a text, a number or a boolean. */
    readonly attribute: string
  }
  | {
    /** The key of a hint, such as `HookHints.key("team")`, with a text, a number or a boolean. */
    readonly hint: HookHints.Key<string>
  }
  | ((context: HookContext, hints: HookHints.HookHints) => string | undefined)

/** Returns `undefined` for an evaluation that belongs to no key. */
type KeyOf = (context: HookContext, hints: HookHints.HookHints) => unknown

const named: Readonly<Record<string, KeyOf>> = {
  all: () => "",
  domain: (context) => domainOf(context) ?? "",
  flag: ({ flagKey }) => flagKey,
  subject: targetingKeyOf,
  subjectAndFlag: (context) => {
    const subject = targetingKeyOf(context)
    return subject === undefined ? undefined : netstring(context.flagKey) + subject
  }
}

const textOf = (value: unknown): string | undefined =>
  typeof value === "string" ? value : typeof value === "number" || typeof value === "boolean" ? `${value}` : undefined

const keyOf = (by: By): KeyOf => {
  if (typeof by === "string") return named[by] ?? (() => undefined)
  if (typeof by === "function") return by
  if ("attribute" in by) return (context) => textOf(attributeOf(context, by.attribute))
  return (_context, hints) => textOf(HookHints.getOrUndefined(hints, by.hint))
}

/** Whether the keys are names that the application has given, and nothing of a user. */
const isPublic = (by: By): boolean => by === "all" || by === "domain" || by === "flag"

const isHint = (hint: unknown): boolean => isRecord(hint) && readString(hint, "name") !== undefined && "slot" in hint

export const rule: Check.Rule = (owner, name, value) => {
  if (typeof value === "function" || (typeof value === "string" && Object.hasOwn(named, value))) return
  const keys = isRecord(value) ? Object.keys(value) : []
  const attribute = readOwn(value, "attribute")
  const isFine = keys.length === 1 &&
    ((typeof attribute === "string" && attribute !== "") || isHint(readOwn(value, "hint")))
  if (isFine) return
  // The name of a hint looks like that of an attribute.
  const expected = typeof readOwn(value, "hint") === "string"
    ? "{ hint } with a key of HookHints.key, and not its name"
    : `one of ${Object.keys(named).join(", ")}, { attribute }, { hint } or a function`
  Check.reject(owner, name, expected, value)
}

export class Keys {
  readonly #hook: string
  readonly #keyOf: KeyOf
  #isInUse: boolean
  unkeyed = 0

  constructor(hook: string, by: By) {
    this.#hook = hook
    this.#keyOf = keyOf(by)
    // A function may leave out as many evaluations as it likes.
    this.#isInUse = typeof by === "function"
  }
  /** Returns the key, or why there is none that can be used. */
  read(context: HookContext, hints: HookHints.HookHints): string | Cause.Cause<unknown> | undefined {
    const key = tryOr<unknown, Cause.Cause<never>>(() => this.#keyOf(context, hints), Cause.die)
    if (key === undefined) return this.#none(context)
    this.#isInUse = true
    if (typeof key === "string" || Cause.isCause(key)) return key
    ignoreRejection(key)
    return Cause.die(
      new Check.Misuse(`gave ${isPromiseLike(key) ? "a promise instead of a key" : "a key that is no text"}`)
    )
  }
  #none({ flagKey }: HookContext): undefined {
    this.unkeyed++
    if (this.unkeyed !== many || this.#isInUse) return
    const what = `none of ${many} evaluations had a key, so nothing is limited; check the name in "by", ` +
      "and put the hook after those that add the key"
    tell(this.#hook, "before", flagKey, new Check.Advice(what))
  }
}

export type Print = "omit" | "raw" | ((key: string) => string)

export const printRule: Check.Rule = (owner, name, value) =>
  typeof value === "function" || Check.oneOf(owner, name, ["omit", "raw"], value)

/** Writes a key for people. Data of a user is left out, unless the application asks for it. */
export const printer = (print: Print | undefined, by: By): (key: string) => string | undefined => {
  const chosen = print ?? (isPublic(by) && by !== "all" ? "raw" : "omit")
  if (chosen === "omit") return () => undefined
  if (chosen === "raw") return (key) => oneLine(key, 256)
  return (key) => {
    const printed: unknown = tryOr(() => chosen(key), () => undefined)
    ignoreRejection(printed)
    return typeof printed === "string" ? oneLine(printed, 256) : undefined
  }
}
