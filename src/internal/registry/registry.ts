/** The hooks of a registry by name, compiled when they change. */
import type * as SDK from "@openfeature/server-sdk"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as PubSub from "effect/PubSub"
import * as Result from "effect/Result"
import type * as Take from "effect/Take"
import type * as FeatureHook from "../../FeatureHook.ts"
import * as HookFailures from "../../HookFailures.ts"
import * as SdkHook from "../bridge/sdkHook.ts"
import type { Live } from "../client/clientHooks.ts"
import { Nesting, type Registration } from "../hook/registration.ts"
import * as Stack from "../runner/stack.ts"
import type { Part } from "../hook/part.ts"
import { type Member, memberOf } from "./member.ts"
import { sort } from "./order.ts"

/** Why hooks cannot be added. */
export type Conflict =
  | { readonly is: "closed" }
  | { readonly is: "duplicate"; readonly name: string }
  | { readonly is: "cycle"; readonly names: ReadonlyArray<string> }

// One function for all registries, so there is one listener.
const toMember = (failure: HookFailures.HookFailure, services: Context.Context<never>): void => {
  const { registration } = Context.get(services, Nesting)
  if (registration !== undefined) memberOf(registration)?.fail(failure)
}

export class Registry implements Live, Stack.Stacked {
  stack = Stack.empty
  readonly sdkHook: SDK.Hook = SdkHook.makeLive(this)
  // In the order in which they were added. The name of a hook that is being made is taken too.
  readonly #members = new Map<string, Member>()
  #sorted: ReadonlyArray<Member> = []
  readonly #listeners = new Set<() => void>()
  /** One message after each change. */
  readonly changes: PubSub.PubSub<Take.Take<void>>
  #wrap: ((part: Part, member: Member) => Part) | undefined = undefined
  #isClosed = false

  constructor(changes: PubSub.PubSub<Take.Take<void>>) {
    this.changes = changes
    HookFailures.listen(toMember)
    PubSub.publishUnsafe(changes, [undefined])
  }

  /** In the running order. */
  get members(): ReadonlyArray<Member> {
    return this.#sorted.filter(({ isAdded }) => isAdded)
  }
  get registrations(): ReadonlyArray<Registration> {
    return this.stack.registrations
  }
  get hooks(): ReadonlyArray<FeatureHook.Any> {
    return this.registrations.flatMap((registration) => memberOf(registration)?.hook ?? [])
  }
  get(name: string): Member | undefined {
    const member = this.#members.get(name)
    return member?.isAdded === true ? member : undefined
  }
  has(member: Member): boolean {
    return this.#members.get(member.name) === member
  }
  readonly onChange = (listener: () => void): () => void => {
    this.#listeners.add(listener)
    return () => void this.#listeners.delete(listener)
  }

  /** Takes the names of all hooks, or of none. */
  reserve(added: ReadonlyArray<Member>): Conflict | undefined {
    if (this.#isClosed) return { is: "closed" }
    const names = new Set(this.#members.keys())
    for (const { name } of added) {
      if (names.has(name)) return { is: "duplicate", name }
      names.add(name)
    }
    const sorted = sort([...this.#members.values(), ...added])
    if (Result.isFailure(sorted)) return { is: "cycle", names: sorted.failure }
    for (const member of added) this.#members.set(member.name, member)
    this.#sorted = sorted.success
    return undefined
  }

  /** Lets evaluations see the hooks, which are there by now. Returns whether the registry still has them. */
  publish(added: ReadonlyArray<Member>): boolean {
    if (!added.every((member) => this.has(member))) return false
    for (const member of added) member.isAdded = true
    this.#compile(added)
    return true
  }

  /** Takes hooks out of the registry, and then releases what they own. */
  remove(removed: ReadonlyArray<Member>): Effect.Effect<void> {
    return Effect.withFiber((fiber) => {
      const known = removed.filter((member) => this.has(member))
      for (const { name } of known) this.#members.delete(name)
      if (known.length > 0) {
        // Without hooks there are fewer constraints, so there is no cycle.
        this.#sorted = Result.getOrElse(sort(Array.from(this.#members.values())), () => this.#sorted)
        this.#compile()
      }
      const { registration } = fiber.getRef(Nesting)
      // A stage that removes its own hook must not wait for its own end.
      const close = (member: Member): Effect.Effect<Exit.Exit<void>> =>
        registration !== undefined && member.registration === registration
          ? Effect.as(Effect.forkDetach(member.close), Exit.void)
          : Effect.exit(member.close)
      return Effect.flatMap(
        Effect.forEach(removed, close, { concurrency: "unbounded" }),
        (exits) => exits.find(Exit.isFailure) ?? Effect.void
      )
    }).pipe(Effect.uninterruptible)
  }

  readonly clear: Effect.Effect<void> = Effect.suspend(() => this.remove(this.members))

  readonly close: Effect.Effect<void> = Effect.suspend(() => {
    this.#isClosed = true
    const end = Effect.sync(() => PubSub.endUnsafe(this.changes, Exit.void))
    return Effect.ensuring(this.remove(Array.from(this.#members.values())), end)
  })

  setEnabled(member: Member, isEnabled: boolean): void {
    if (member.isEnabled === isEnabled || !this.has(member)) return
    member.isEnabled = isEnabled
    this.#compile()
  }

  /** Wraps all stages, or none. Evaluations that are running keep the stages that they began with. */
  wrap(wrap: ((part: Part, member: Member) => Part) | undefined): void {
    this.#wrap = wrap
    this.#compile(this.#sorted)
  }

  #compile(changed: ReadonlyArray<Member> = []): void {
    const wrap = this.#wrap
    for (const member of changed) {
      const { parts, registration } = member
      if (registration === undefined) continue
      registration.parts = wrap === undefined ? parts : parts.map((part) => wrap(part, member))
    }
    const running = this.members.flatMap(({ isEnabled, registration }) => isEnabled ? registration ?? [] : [])
    this.stack = running.length === 0 ? Stack.empty : new Stack.Stack(running)
    for (const listener of this.#listeners) listener()
    PubSub.publishUnsafe(this.changes, [undefined])
  }
}
