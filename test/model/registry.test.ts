/** Random programs against a registry, and against a simple list that says what has to happen. */
import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Fiber, Logger } from "effect"
import { EvaluationError, FeatureFlags, FeatureHook, HookRegistry } from "effect-openfeature"
import { TestProvider } from "effect-openfeature/testing"
import type { Ordered } from "../../src/internal/registry/order.ts"
import { type Client, clients, flagsDetails, sdkDetails } from "../clients.ts"
import { byRule, hasCycle } from "../internal/registry/rule.ts"
import { newDomain, paths, plainClient, random, until } from "../support.ts"

// A run can be repeated with the seed that a failure names: SEED=… COUNT=1.
const seed = Number(process.env["SEED"] ?? Math.floor(Math.random() * 2 ** 31))
const programs = Number(process.env["COUNT"] ?? 40)
const steps = 60

type Registry = HookRegistry.HookRegistry["Service"]

/** A hook of the list. */
interface Known extends Ordered {
  readonly id: string
  readonly rejects: boolean
  readonly registration: HookRegistry.Registration
  isEnabled: boolean
  isRemoved: boolean
}

/** An evaluation that waits for its provider. */
interface Waiting {
  readonly flagKey: string
  readonly hooks: ReadonlyArray<Known>
  readonly answer: Deferred.Deferred<boolean>
  readonly fiber: Fiber.Fiber<unknown>
}

const setup = Effect.fnUntraced(function*(kind: Client, registry: Registry) {
  const answers = new Map<string, Deferred.Deferred<boolean>>()
  const reached = new Set<string>()
  const flags = (flagKey: string) =>
    Effect.suspend(() => {
      reached.add(flagKey)
      const answer = answers.get(flagKey)
      return answer === undefined ? Effect.succeed(true) : Deferred.await(answer)
    }).pipe(Effect.flatMap((isFine) => isFine ? TestProvider.value(true) : Effect.fail(new Error("provider"))))
  if (kind === "sdk") {
    const { client } = yield* plainClient({ flags })
    yield* registry.attach(client)
    return { answers, reached, evaluate: (flagKey: string) => sdkDetails(client, flagKey, false) }
  }
  const made = yield* FeatureFlags.make({ domain: newDomain(), provider: TestProvider.make({ flags }) })
  yield* registry.attach(made)
  return { answers, reached, evaluate: (flagKey: string) => flagsDetails(made, flagKey, false) }
})

const program = Effect.fnUntraced(function*(
  kind: Client,
  change: <E, R>(hook: FeatureHook.FeatureHook<E, R>) => FeatureHook.FeatureHook<E, R>,
  seed: number
) {
  const from = random(seed)
  const registry = yield* HookRegistry.make()
  const { answers, evaluate, reached } = yield* setup(kind, registry)
  const journal = new Map<string, Array<string>>()
  const released: Array<string> = []
  const done = { evaluated: 0, held: 0, changedWhileHeld: 0, refused: 0 }

  // In the order in which they were added.
  let list: Array<Known> = []
  let waiting: Array<Waiting> = []
  let ids = 0
  const names = Array.from({ length: 7 }, (_, index) => `hook-${index}`)
  const sorted = (): ReadonlyArray<Known> =>
    byRule(list).flatMap((name) => list.find((hook) => hook.name === name) ?? [])
  const running = () => sorted().filter(({ isEnabled }) => isEnabled)

  const hookOf = (id: string, rejects: boolean) => {
    const note = (stage: string) => ({ flagKey }: { readonly flagKey: string }) => {
      const entries = journal.get(flagKey) ?? []
      journal.set(flagKey, [...entries, `${id}.${stage}`])
    }
    const failure = new EvaluationError.EvaluationError({ code: "GENERAL", message: "no" })
    const before = note("before")
    return change(FeatureHook.make(id, {
      before: (context) => {
        before(context)
        return rejects ? Effect.fail(failure) : undefined
      },
      after: note("after"),
      error: note("error"),
      finally: note("finally")
    }))
  }
  const entry = () => {
    const id = `id-${++ids}`
    const rejects = from.chance(0.08)
    const name = from.oneOf(names) ?? ""
    const some = () => names.filter(() => from.chance(0.12))
    const made = Effect.acquireRelease(
      Effect.succeed(hookOf(id, rejects)),
      () => Effect.sync(() => void released.push(id))
    )
    const hook = from.chance(0.5) ? made : Effect.andThen(Effect.yieldNow, made)
    return {
      id,
      rejects,
      name,
      hook,
      priority: from.below(3),
      before: some(),
      after: some(),
      isEnabled: from.chance(0.8)
    }
  }
  const add = Effect.gen(function*() {
    const entries = Array.from({ length: from.chance(0.7) ? 1 : 3 }, entry)
    const all = [...list, ...entries]
    const isDuplicate = new Set(all.map(({ name }) => name)).size < all.length
    const given = entries.map(({ id: _id, rejects: _rejects, ...given }) => given)
    const added = yield* Effect.result(registry.add(given))
    if (isDuplicate || hasCycle(all)) {
      done.refused++
      assert.strictEqual(added._tag, "Failure")
      if (added._tag === "Failure") {
        assert.strictEqual(added.failure._tag, isDuplicate ? "DuplicateHookError" : "HookCycleError")
      }
      return
    }
    if (added._tag === "Failure") return yield* Effect.die(added.failure)
    entries.forEach((entry, index) => {
      const registration = added.success[index]
      if (registration !== undefined) list.push({ ...entry, registration, isRemoved: false })
    })
  })
  const remove = (removed: ReadonlyArray<Known>) => {
    for (const hook of removed) hook.isRemoved = true
    list = list.filter((hook) => !removed.includes(hook))
    if (waiting.some(({ hooks }) => hooks.some((hook) => removed.includes(hook)))) done.changedWhileHeld++
    for (const { id } of removed) assert.include(released, id)
  }
  const later = (hooks: ReadonlyArray<Known>, ...stages: ReadonlyArray<string>): ReadonlyArray<string> =>
    stages.flatMap((stage) => hooks.filter(({ isRemoved }) => !isRemoved).map(({ id }) => `${id}.${stage}`).reverse())
  const begin = Effect.gen(function*() {
    const flagKey = `flag-${done.evaluated++}`
    const hooks = running()
    const rejecting = hooks.findIndex(({ rejects }) => rejects)
    if (rejecting >= 0) {
      yield* evaluate(flagKey)
      const before = hooks.slice(0, rejecting + 1).map(({ id }) => `${id}.before`)
      return assert.deepStrictEqual(journal.get(flagKey), [...before, ...later(hooks, "error", "finally")])
    }
    done.held++
    const answer = yield* Deferred.make<boolean>()
    answers.set(flagKey, answer)
    const fiber = yield* Effect.forkChild(evaluate(flagKey))
    yield* until(() => reached.has(flagKey))
    assert.deepStrictEqual(journal.get(flagKey) ?? [], hooks.map(({ id }) => `${id}.before`))
    waiting.push({ flagKey, hooks, answer, fiber })
  })
  const end = Effect.gen(function*() {
    const one = from.oneOf(waiting)
    if (one === undefined) return
    waiting = waiting.filter((other) => other !== one)
    const isFine = from.chance(0.7)
    journal.delete(one.flagKey)
    yield* Deferred.succeed(one.answer, isFine)
    yield* Fiber.join(one.fiber)
    const expected = later(one.hooks, isFine ? "after" : "error", "finally")
    assert.deepStrictEqual(journal.get(one.flagKey) ?? [], expected)
  })

  for (let step = 0; step < steps; step++) {
    const what = from.next()
    const hook = from.oneOf(list)
    if (what < 0.3) yield* add
    else if (what < 0.42 && hook !== undefined) {
      yield* hook.registration.unregister
      remove([hook])
    } else if (what < 0.44) {
      yield* registry.clear
      remove(list)
    } else if (what < 0.56 && hook !== undefined) {
      hook.isEnabled = from.chance(0.5)
      yield* hook.isEnabled ? hook.registration.enable : hook.registration.disable
    } else if (what < 0.6) yield* registry.debug(from.chance(0.5) ? {} : false)
    else if (what < 0.8) yield* begin
    else yield* end
    assert.deepStrictEqual(
      (yield* registry.list).map(({ isEnabled, name }) => [name, isEnabled]),
      sorted().map(({ isEnabled, name }) => [name, isEnabled])
    )
  }
  while (waiting.length > 0) yield* end
  return done
})

describe(`random programs with a registry (SEED=${seed})`, () => {
  for (const kind of clients) {
    for (const [path, change] of paths) {
      it.live(`run the hooks of the list, with ${kind}, ${path}`, () =>
        Effect.gen(function*() {
          const sum = { evaluated: 0, held: 0, changedWhileHeld: 0, refused: 0 }
          for (let index = 0; index < programs; index++) {
            const done = yield* Effect.scoped(program(kind, change, seed + index)).pipe(
              Effect.catchCause((cause) => Effect.die(new Error(`SEED=${seed + index}`, { cause })))
            )
            for (const key of ["evaluated", "held", "changedWhileHeld", "refused"] as const) sum[key] += done[key]
          }
          if (programs > 20) {
            for (const count of Object.values(sum)) assert.isAbove(count, programs, JSON.stringify(sum))
          }
        }).pipe(Effect.provide(Logger.layer([]))))
    }
  }
})
