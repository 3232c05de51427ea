/** Checks a whole context, and tells what is wrong with it and what becomes of it. */
import { cast } from "effect/Function"
import type { EvaluationContext, Value } from "../../../EvaluationContext.ts"
import { tryOr } from "../../untrusted.ts"
import { Cleaner, removed } from "./clean.ts"
import { Inspection } from "./inspection.ts"
import { type Known, Names, type Rule, type Settings } from "./rules.ts"

export type Mode = "strict" | "lenient" | "report"

/** What became of an attribute. */
export type Action = "refused" | "removed" | "truncated" | "sanitised" | "none"

export interface Finding {
  readonly rule: Rule
  /** `undefined` for a rule about the whole context, and for a name that must not be seen. */
  readonly attribute: string | undefined
  readonly action: Action
}

export interface Verdict {
  /** The finding that refuses the evaluation. */
  readonly refusal: Finding | undefined
  readonly findings: ReadonlyArray<Finding>
  /** The attributes to replace. One that is removed is `undefined`, since the SDK only merges. */
  readonly context: EvaluationContext | undefined
}

// A targeting key that is changed is that of somebody else, and no contribution has the key `__proto__`.
const fixed: ReadonlySet<string> = new Set(["targetingKey", "__proto__"])

const unreadable: unique symbol = Symbol("unreadable")

export class Guard {
  readonly #settings: Settings
  readonly #mode: Mode
  readonly #names: Names
  /** What is known about the names of the previous context. */
  readonly #latest: Array<Known> = []

  constructor(settings: Settings, mode: Mode) {
    this.#settings = settings
    this.#mode = mode
    this.#names = new Names(settings)
  }

  /** Returns nothing if no rule is broken: one pass that makes nothing, for nearly all contexts. */
  check(context: object): Verdict | undefined {
    const names = tryOr(() => Object.keys(context), () => undefined)
    if (names === undefined) return this.#whole("unreadable")
    const { maxAttributes } = this.#settings
    if (names.length <= maxAttributes && tryOr(() => this.#isClean(context, names), () => false)) return undefined
    // With those that are removed counting as well, what is left of a context is never refused.
    if (names.length > 2 * maxAttributes) return this.#whole("attributes")
    return new Examination(this.#settings, this.#names, this.#mode).of(context, names)
  }

  #isClean(context: object, names: ReadonlyArray<string>): boolean {
    const inspection = new Inspection(this.#settings, this.#names)
    const attributes = cast<object, Readonly<Record<string, unknown>>>(context)
    const { length } = names
    // Most contexts have the names of the previous one, in the same order.
    if (this.#latest.length > length) this.#latest.length = length
    for (let i = 0; i < length; i++) {
      const name = names[i] ?? ""
      let known = this.#latest[i]
      if (known === undefined || known.name !== name) known = this.#remember(i, name)
      if (inspection.attribute(name, attributes[name], known) !== undefined) return false
    }
    return true
  }

  #remember(index: number, name: string): Known {
    const known = this.#names.of(name)
    // Such a name can be of any length.
    if (known.unsafe === undefined) this.#latest[index] = known
    return known
  }

  // There is nothing that could be contributed in its place.
  #whole(rule: Rule): Verdict {
    const finding: Finding = { rule, attribute: undefined, action: this.#mode === "report" ? "none" : "refused" }
    return {
      refusal: this.#mode === "report" ? undefined : finding,
      findings: [finding],
      context: undefined
    }
  }
}

class Examination {
  readonly #settings: Settings
  readonly #names: Names
  readonly #mode: Mode
  readonly #inspection: Inspection
  readonly #findings: Array<Finding> = []
  readonly #replaced: Array<readonly [string, Value | undefined]> = []
  #refusal: Finding | undefined = undefined

  constructor(settings: Settings, names: Names, mode: Mode) {
    this.#settings = settings
    this.#names = names
    this.#mode = mode
    this.#inspection = new Inspection(settings, names)
  }

  of(context: object, names: ReadonlyArray<string>): Verdict | undefined {
    const valueOf = (name: string) => tryOr<unknown, unknown>(() => Reflect.get(context, name), () => unreadable)
    // What cannot be taken away has its place, wherever it is in the context.
    const kept = names.filter((name) => fixed.has(name) && valueOf(name) !== undefined)
    let left = this.#settings.maxAttributes - kept.length
    // In the lenient mode it also comes first, so that the size of others does not count against it.
    for (const name of this.#mode === "lenient" ? new Set([...kept, ...names]) : names) {
      const value = valueOf(name)
      if (value !== undefined && !fixed.has(name) && --left < 0) this.#extra(name)
      else this.#attribute(name, value)
      if (this.#refusal !== undefined) break
    }
    if (this.#findings.length === 0) return undefined
    const isRefused = this.#refusal !== undefined || this.#replaced.length === 0
    return {
      refusal: this.#refusal,
      findings: this.#findings,
      context: isRefused ? undefined : cast(Object.fromEntries(this.#replaced))
    }
  }

  #tell(rule: Rule, attribute: string | undefined, action: Action): void {
    const isReport = this.#mode === "report"
    const finding: Finding = { rule, attribute, action: isReport ? "none" : action }
    this.#findings.push(finding)
    if (action === "refused" && !isReport) this.#refusal = finding
  }

  // Which of too many attributes are the wrong ones, nobody knows: it is told once.
  #extra(name: string): void {
    if (this.#mode === "lenient" && this.#names.of(name).unsafe === undefined) this.#replaced.push([name, undefined])
    else if (this.#mode === "lenient") return this.#attribute(name, undefined)
    if (this.#findings.some(({ rule }) => rule === "attributes")) return
    this.#tell("attributes", undefined, this.#mode === "lenient" ? "removed" : "refused")
  }

  #attribute(name: string, value: unknown): void {
    const known = this.#names.of(name)
    const { mark } = this.#inspection
    const rule = this.#inspect(name, value, known)
    if (rule === undefined) return
    this.#inspection.reset(mark)
    const told = known.isTold ? name : undefined
    if (this.#mode !== "lenient" || fixed.has(name) || known.unsafe !== undefined) {
      return this.#tell(rule, told, "refused")
    }
    const clean = rule === "size" ? undefined : this.#cleaned(name, value, known)
    this.#replaced.push([name, clean])
    this.#tell(rule, told, actionOf(rule, value, clean))
  }

  #inspect(name: string, value: unknown, known: Known): Rule | undefined {
    if (value === unreadable) return "unreadable"
    return tryOr(() => this.#inspection.attribute(name, value, known), () => "unreadable")
  }

  /** A copy that still breaks a rule, such as a text that has become another one, is no better than the value. */
  #cleaned(name: string, value: unknown, known: Known): Value | undefined {
    if (known.refused !== undefined || value === unreadable) return undefined
    const { mark } = this.#inspection
    const clean = new Cleaner(this.#settings, this.#names, known).clean(value)
    if (clean !== removed && this.#inspect(name, clean, known) === undefined) return clean
    this.#inspection.reset(mark)
    return undefined
  }
}

const actionOf = (rule: Rule, value: unknown, clean: unknown): Action => {
  if (clean === undefined) return "removed"
  return typeof value === "string" && rule === "attribute-size" ? "truncated" : "sanitised"
}
