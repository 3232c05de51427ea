/** A client with one hook under test, in which every evaluation is bounded and everything that is emitted is kept. */
import * as SDK from "@openfeature/server-sdk"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Data from "effect/Data"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import * as Metric from "effect/Metric"
import * as Random from "effect/Random"
import * as Scope from "effect/Scope"
import type { EvaluationDetails } from "../../../EvaluationDetails.ts"
import * as FeatureFlags from "../../../FeatureFlags.ts"
import * as FeatureHook from "../../../FeatureHook.ts"
import * as HookFailures from "../../../HookFailures.ts"
import * as HookHints from "../../../HookHints.ts"
import * as OpenFeatureHook from "../../../OpenFeatureHook.ts"
import { VirtualClock } from "./clock.ts"
import { type Details, ofFlags, ofSdk } from "./details.ts"
import type { Asked, Lab, Request } from "./lab.ts"
import { Sink } from "./sink.ts"

export type Hook = FeatureHook.FeatureHook<unknown>

/** The hook under test. The SDK runs its own as they are. */
export type Subject = Hook | SDK.Hook

export type Client = "a client of the SDK" | "FeatureFlags"

export const clients: ReadonlyArray<Client> = ["a client of the SDK", "FeatureFlags"]

/** Something did not end. */
export class Hung extends Data.TaggedError("Hung")<{ readonly what: string }> {}

export interface Outcome {
  /** `undefined` if the client rejected. */
  readonly details: EvaluationDetails | undefined
  /** The evaluation context that the provider received. */
  readonly context: unknown
  /** The hints that a later hook received. */
  readonly hints: SDK.HookHints | undefined
}

export const featureHookOf = (subject: Subject): Hook =>
  FeatureHook.isFeatureHook(subject) ? subject : OpenFeatureHook.toFeatureHook("hook", subject)

export interface Setup {
  readonly client: Client
  /** Creates the hook under test, or none. */
  readonly make: Effect.Effect<Subject | undefined, never, Scope.Scope>
  /** The hooks before it in the stack, and behind it. */
  readonly outer?: ReadonlyArray<Hook> | undefined
  readonly inner?: ReadonlyArray<Hook> | undefined
  /** Whether records are kept, true by default. */
  readonly isKept?: boolean | undefined
}

export const turns = (count: number): Effect.Effect<void> => Effect.repeat(Effect.yieldNow, { times: count - 1 })

const live = Context.get(Context.empty(), Clock.Clock)

/** Not a failure of the hook under test, but of one beside it. */
const isOwn = (failure: HookFailures.HookFailure): boolean => !failure.hook.startsWith("contract")

export class World {
  readonly clock = new VirtualClock()
  readonly sink: Sink
  readonly failures: Array<HookFailures.HookFailure> = []
  /** The number of fibers that have started and not ended. */
  fibers = 0
  readonly #lab: Lab
  readonly #scope = Scope.makeUnsafe()
  readonly #services: Context.Context<never>
  #details: Details = () => Effect.never

  constructor(lab: Lab, isKept: boolean) {
    this.#lab = lab
    this.sink = new Sink(isKept)
    const collector = Effect.runSync(HookFailures.make({ logInterval: "0 millis" }))
    this.#services = this.sink.services.pipe(
      Context.add(Clock.Clock, this.clock),
      // Chance must not make two runs differ.
      Context.add(Random.Random, Effect.runSync(Random.withSeed(Random.Random, "effect-openfeature"))),
      Context.add(Metric.FiberRuntimeMetrics, {
        recordFiberStart: () => void this.fibers++,
        recordFiberEnd: () => void this.fibers--
      }),
      Context.add(HookFailures.HookFailures, {
        ...collector,
        report: (failure) =>
          Effect.suspend(() => {
            if (isKept && isOwn(failure)) this.failures.push(failure)
            return collector.report(failure)
          })
      })
    )
  }

  /** Creates the hook and its client. */
  readonly open = (setup: Setup): Effect.Effect<void, Hung> =>
    this.run(
      "creating the hook",
      Scope.provide(
        Effect.gen({ self: this }, function*() {
          const { domain } = this.#lab
          const subject = yield* setup.make
          const outer = setup.outer ?? []
          const inner = [...setup.inner ?? [], this.#witness]
          if (setup.client === "FeatureFlags") {
            const hooks = [...outer, ...subject === undefined ? [] : [featureHookOf(subject)], ...inner]
            this.#details = ofFlags(yield* FeatureFlags.make({ domain, hooks }))
            return
          }
          const client = SDK.OpenFeature.getClient(domain).setLogger(this.sink.logger)
          if (subject === undefined || FeatureHook.isFeatureHook(subject)) {
            const hooks = [...outer, ...subject === undefined ? [] : [subject], ...inner]
            client.addHooks(yield* OpenFeatureHook.makeEffect(...hooks))
          } else {
            // The first hook of all runs in the turn of the caller, so nothing empty comes before it.
            if (outer.length > 0) client.addHooks(yield* OpenFeatureHook.makeEffect(...outer))
            client.addHooks(subject, yield* OpenFeatureHook.makeEffect(...inner))
          }
          this.#details = ofSdk(client)
        }).pipe(Effect.orDie),
        this.#scope
      )
    )

  /** Sees the hints that the hook under test contributes. */
  get #witness(): Hook {
    return FeatureHook.make("contract witness", {
      before: ({ flagKey }, hints) => {
        const asked = this.#lab.asked.get(flagKey)
        if (asked !== undefined) asked.hints = HookHints.toRecord(hints)
      }
    })
  }

  /** One evaluation, to be run by `run`. */
  readonly evaluation = (request: Request): Effect.Effect<Outcome> =>
    Effect.suspend(() => {
      const asked: Asked = { request, context: undefined, hints: undefined }
      this.#lab.asked.set(request.flagKey, asked)
      return this.#details(request).pipe(
        Effect.catchDefect(() => Effect.undefined),
        Effect.map((details): Outcome => ({ details, context: asked.context, hints: asked.hints })),
        Effect.ensuring(Effect.sync(() => void this.#lab.asked.delete(request.flagKey)))
      )
    })

  readonly evaluate = (request: Request): Effect.Effect<Outcome, Hung> =>
    this.run(`the evaluation of "${request.flagKey.slice(0, 100)}"`, this.evaluation(request))

  readonly fork = <A, E>(effect: Effect.Effect<A, E>): Fiber.Fiber<A, E> => Effect.runForkWith(this.#services)(effect)

  /**
   * Runs an effect with the services of the world. The event loop turns, and
   * virtual time passes when nothing else happens.
   */
  readonly run = <A, E>(what: string, effect: Effect.Effect<A, E>): Effect.Effect<A, E | Hung> =>
    Effect.suspend(() => this.join(what, this.fork(effect)))

  readonly join = <A, E>(what: string, fiber: Fiber.Fiber<A, E>): Effect.Effect<A, E | Hung> =>
    Effect.gen({ self: this }, function*() {
      const since = this.clock.elapsed
      const started = live.currentTimeMillisUnsafe()
      const limit = Duration.toMillis(this.#lab.timeout)
      for (let turn = 1;; turn++) {
        const exit = fiber.pollUnsafe()
        if (exit !== undefined) return yield* exit
        yield* Effect.yieldNow
        // What needs the event loop or the outside comes first.
        if (turn < 20 || turn % 4 !== 0) continue
        if (live.currentTimeMillisUnsafe() - started > limit) break
        if (!this.clock.next(since)) yield* live.sleep(Duration.millis(1))
      }
      fiber.interruptUnsafe()
      return yield* new Hung({ what })
    })

  readonly close: Effect.Effect<void, Hung> = Effect.suspend(() =>
    this.run("closing the hook", Scope.close(this.#scope, Exit.void))
  )
}

/** Uses a world and closes it. */
export const withWorld = <A>(
  lab: Lab,
  setup: Setup,
  use: (world: World) => Effect.Effect<A, Hung>
): Effect.Effect<readonly [result: A, world: World], Hung> =>
  Effect.gen(function*() {
    const world = new World(lab, setup.isKept !== false)
    yield* world.open(setup)
    const exit = yield* Effect.exit(use(world))
    yield* turns(5)
    yield* world.close
    return [yield* exit, world] as const
  })
