/**
 * A stack of hooks, compiled: who takes part in which stage, in which order, and
 * with which services. Made when a stack changes, used for every evaluation.
 */
import * as Context from "effect/Context"
import * as Tracer from "effect/Tracer"
import type { Stage } from "../../HookFailures.ts"
import { Enclosing, type Owner } from "../owner.ts"
import type { Part } from "../part.ts"

export interface Entry<F> {
  readonly name: string
  /** The place in the stack, which is also the place of the hook's data. */
  readonly index: number
  readonly isObserved: boolean
  readonly hasData: boolean
  readonly run: F
}

type Entries<R, S extends Stage> = ReadonlyArray<Entry<NonNullable<Part<unknown, R>[S]>>>

/** Evaluations that hooks make from within hooks may be nested this deep. */
export const maxDepth = 8

export class Stack<R> {
  readonly parts: ReadonlyArray<Part<unknown, R>>
  readonly owner: Owner | undefined
  readonly before: Entries<R, "before">
  readonly after: Entries<R, "after">
  readonly error: Entries<R, "error">
  readonly finally: Entries<R, "finally">
  readonly #base: Context.Context<R>
  readonly #own: Context.Context<R>
  readonly #merged = new WeakMap<Context.Context<never>, Context.Context<R>>()

  constructor(parts: ReadonlyArray<Part<unknown, R>>, base: Context.Context<R>, owner?: Owner | undefined) {
    this.parts = parts
    this.owner = owner
    // The span in which a hook was registered is over when it runs.
    this.#base = Context.getOrUndefined(base, Tracer.ParentSpan) === undefined ? base : withoutSpan(base)
    this.#own = Context.add(this.#base, Enclosing, { depth: 1, owner })
    this.before = entriesOf(parts, (part) => part.before)
    this.after = entriesOf(parts, (part) => part.after).reverse()
    this.error = entriesOf(parts, (part) => part.error).reverse()
    this.finally = entriesOf(parts, (part) => part.finally).reverse()
  }

  /**
   * The services that stages run with: those of the caller, on top of those that
   * the stack was built with. `undefined` when evaluations are nested too deep.
   */
  services(caller: Context.Context<never> | undefined): Context.Context<R> | undefined {
    if (caller === undefined) return this.#own
    // One request makes many evaluations in the same context. A stack lives
    // longer than a request and must not keep it.
    const known = this.#merged.get(caller)
    if (known !== undefined) return known
    const merged = this.#merge(caller)
    if (merged !== undefined) this.#merged.set(caller, merged)
    return merged
  }

  #merge(caller: Context.Context<never>): Context.Context<R> | undefined {
    const { depth } = Context.get(caller, Enclosing)
    if (depth >= maxDepth) return undefined
    return Context.add(Context.merge(this.#base, caller), Enclosing, { depth: depth + 1, owner: this.owner })
  }
}

const withoutSpan = <R>(context: Context.Context<R>): Context.Context<R> => {
  const kept = new Map(context.mapUnsafe)
  kept.delete(Tracer.ParentSpanKey)
  return Context.makeUnsafe(kept)
}

const entriesOf = <R, F>(
  parts: ReadonlyArray<Part<unknown, R>>,
  stage: (part: Part<unknown, R>) => F | undefined
): Array<Entry<F>> => {
  const entries: Array<Entry<F>> = []
  parts.forEach((part, index) => {
    const run = stage(part)
    if (run === undefined) return
    const { hookData, isObserved, name } = part
    entries.push({ name, index, isObserved, hasData: hookData !== undefined, run })
  })
  return entries
}
