/** Adds hooks to a registry: all of them, or none. */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type * as FeatureHook from "../../FeatureHook.ts"
import * as Member from "./member.ts"
import type { Conflict, Registry } from "./registry.ts"

/** A checked entry. */
export interface Planned<out E, out R> {
  readonly info: Member.Info
  readonly hook: Effect.Effect<FeatureHook.Any, E, R>
}

/** Takes the release of hooks as soon as they are there. */
export type Own<R> = (release: Effect.Effect<void>) => Effect.Effect<void, never, R>

export const all = <E, R, E2, R2 = never>(
  registry: Registry,
  limits: Member.Limits,
  entries: ReadonlyArray<Planned<E, R>>,
  errorOf: (conflict: Conflict) => E2,
  // No interruption may come in between.
  own: Own<R2> = () => Effect.void
): Effect.Effect<ReadonlyArray<Member.Member>, E | E2, Exclude<R, Scope.Scope> | R2> =>
  Effect.uninterruptibleMask((restore) =>
    Effect.gen(function*() {
      const pairs = yield* Effect.forEach(
        entries,
        ({ hook, info }) => Effect.map(Member.make(info, limits), (member) => [member, hook] as const)
      )
      const members = pairs.map(([member]) => member)
      const conflict = registry.reserve(members)
      if (conflict !== undefined) return yield* Effect.fail(errorOf(conflict))
      const building = Effect.forEach(pairs, ([member, hook]) => member.build(hook), { discard: true })
      yield* Effect.onError(restore(building), () => registry.remove(members))
      if (!registry.publish(members)) {
        yield* registry.remove(members)
        return yield* Effect.fail(errorOf({ is: "closed" }))
      }
      yield* own(registry.remove(members))
      return members
    })
  )

const isList = <A>(given: A | ReadonlyArray<A>): given is ReadonlyArray<A> => Array.isArray(given)

export const listFrom = <A, B>(given: A | ReadonlyArray<A>, f: (one: A) => B): ReadonlyArray<B> =>
  isList(given) ? given.map(f) : [f(given)]

/** One for one, and a list for a list. */
export const likeGiven =
  <A>(given: unknown, f: (member: Member.Member) => A) =>
  (members: ReadonlyArray<Member.Member>): A | ReadonlyArray<A> => {
    const [first] = members
    return Array.isArray(given) || first === undefined ? members.map(f) : f(first)
  }
