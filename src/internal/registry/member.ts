/** One hook of a registry: what is known about it, what it owns, and its failures. */
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as PubSub from "effect/PubSub"
import * as Scope from "effect/Scope"
import type * as Take from "effect/Take"
import * as FeatureHook from "../../FeatureHook.ts"
import type { HookFailure } from "../../HookFailures.ts"
import * as Check from "../check.ts"
import type { Part } from "../hook/part.ts"
import * as Registration from "../hook/registration.ts"
import { oneLine } from "../text.ts"
import { notify } from "../untrusted.ts"
import type { Ordered } from "./order.ts"

/** What a user gave, checked and with defaults. */
export interface Info extends Ordered {
  readonly description: string | undefined
  readonly version: string | undefined
  readonly isEnabled: boolean
}

export interface Limits {
  readonly failureCapacity: number
  readonly closeTimeout: Duration.Input
}

export const limits = (
  owner: string,
  options: { readonly [Name in keyof Limits]?: Limits[Name] | undefined }
): Limits => {
  const { closeTimeout = "10 seconds", failureCapacity = 256 } = Check.options(owner, options, {
    failureCapacity: Check.positiveInteger,
    closeTimeout: Check.finiteDuration
  })
  return { closeTimeout, failureCapacity }
}

/** The stages of a hook end before what it owns is released. */
interface Scopes {
  readonly running: Scope.Closeable
  readonly owned: Scope.Closeable
}

type Failures = PubSub.PubSub<Take.Take<HookFailure>>

export class Member implements Ordered {
  readonly info: Info
  readonly scopes: Scopes
  /** Closes the scopes once. Each call waits for the end. */
  readonly close: Effect.Effect<void>
  readonly failures: Failures
  isEnabled: boolean
  /** Whether the hooks that were added with it are there, too. */
  isAdded = false
  hook: FeatureHook.Any = FeatureHook.empty
  /** Its own parts, which those of the registration may be wrapped around. */
  parts: ReadonlyArray<Part> = []
  /** `undefined` until the hook is there. */
  registration: Registration.Registration | undefined = undefined
  /** For an application without Effect. */
  readonly listeners = new Set<(failure: HookFailure) => void>()
  reported = 0
  dropped = 0

  constructor(info: Info, scopes: Scopes, close: Effect.Effect<void>, failures: Failures) {
    this.info = info
    this.scopes = scopes
    this.close = close
    this.failures = failures
    this.isEnabled = info.isEnabled
  }
  get name(): string {
    return this.info.name
  }
  get priority(): number {
    return this.info.priority
  }
  get before(): ReadonlyArray<string> {
    return this.info.before
  }
  get after(): ReadonlyArray<string> {
    return this.info.after
  }

  /** Makes the hook, with the services of the fiber and a scope for what it owns. */
  build<E, R>(hook: Effect.Effect<FeatureHook.Any, E, R>): Effect.Effect<void, E, Exclude<R, Scope.Scope>> {
    return Effect.flatMap(Scope.provide(hook, this.scopes.owned), (made) => {
      this.hook = made
      this.parts = FeatureHook.combineAll([made]).parts
      return Effect.map(Scope.provide(Registration.scoped<never>(this.parts), this.scopes.running), (registration) => {
        this.registration = registration
        members.set(registration, this)
      })
    })
  }

  fail(failure: HookFailure): void {
    this.reported++
    if (!PubSub.publishUnsafe(this.failures, [failure])) this.dropped++
    for (const listener of this.listeners) notify(() => listener(failure))
  }
}

const members = new WeakMap<Registration.Registration, Member>()

/** Returns `undefined` for hooks that were not added to a registry. */
export const memberOf = (registration: Registration.Registration): Member | undefined => members.get(registration)

// It is the code of a user, which may never end.
const release = (owned: Scope.Closeable, name: string, limit: Duration.Input): Effect.Effect<void> =>
  Effect.flatMap(
    Effect.forkDetach(Scope.close(owned, Exit.void), { startImmediately: true }),
    (fiber) =>
      fiber.pollUnsafe() ??
        Effect.timeoutOrElse(Effect.interruptible(Fiber.join(fiber)), {
          duration: limit,
          orElse: () =>
            Effect.logWarning("a hook was removed, and what it owns is not released in time").pipe(
              Effect.annotateLogs({ registered_as: oneLine(name, 128) })
            )
        })
  )

export const make = Effect.fnUntraced(function*(info: Info, { closeTimeout, failureCapacity }: Limits) {
  const scopes: Scopes = { running: yield* Scope.make(), owned: yield* Scope.make() }
  const failures = yield* PubSub.dropping<Take.Take<HookFailure>>(failureCapacity)
  const close = Scope.close(scopes.running, Exit.void).pipe(
    Effect.ensuring(release(scopes.owned, info.name, closeTimeout)),
    Effect.ensuring(Effect.sync(() => PubSub.endUnsafe(failures, Exit.void)))
  )
  return new Member(info, scopes, yield* Effect.cached(close), failures)
})
