import { assert, it } from "@effect/vitest"
import { Clock, Context, Effect, Fiber, type Scope } from "effect"
import { TestClock } from "effect/testing"
import { EvaluationError, FeatureHook, OpenFeatureHook } from "effect-openfeature"
import {
  assertSane,
  broken,
  type Client,
  clients,
  type Harness,
  makeHarness,
  ok,
  onPath,
  type Outcome,
  type Path,
  paths,
  ran,
  type Stage,
  stages,
  untyped,
  watchProcess,
  witness
} from "./harness.ts"
import { canary, hostileContexts, hostileValues } from "./values.ts"

type Build = (value: unknown) => Effect.Effect<void, unknown>

/** The ways in which a stage can go wrong with a value. */
const kinds: Readonly<Record<string, Build>> = {
  fails: (value) => Effect.fail(value),
  dies: (value) => Effect.die(value),
  "throws while it builds its effect": (value) => {
    throw value
  },
  "throws inside its effect": (value) =>
    Effect.sync(() => {
      throw value
    }),
  "rejects inside its effect": (value) =>
    Effect.promise(async () => {
      throw value
    }),
  "fails later": (value) =>
    Effect.tryPromise({
      try: async () => {
        throw value
      },
      catch: (error) => error
    }),
  "fails and dies in a finalizer": (value) => Effect.ensuring(Effect.fail(value), Effect.die(value)),
  "dies in a child": (value) => Effect.flatMap(Effect.forkChild(Effect.die(value)), Fiber.join)
}

function returning(value: unknown): Effect.Effect<void, unknown>
function returning(value: unknown): unknown {
  return value
}

const faulty = (stage: Stage, build: () => Effect.Effect<void, unknown>): FeatureHook.FeatureHook<unknown> =>
  FeatureHook.make("faulty", { [stage]: build })

interface Combination {
  readonly client: Client
  readonly path: Path
  readonly stage: Stage
  readonly isObserved: boolean
}

const combinations: ReadonlyArray<Combination> = clients.flatMap((client) =>
  paths.flatMap((path) =>
    stages.flatMap((stage) => [false, true].map((isObserved) => ({ client, path, stage, isObserved })))
  )
)

/** Evaluates with a faulty hook among well-behaved ones, and checks what holds whatever is wrong with it. */
const check = async (
  harness: Harness,
  { client, isObserved, path, stage }: Combination,
  build: () => Effect.Effect<void, unknown>
): Promise<Outcome> => {
  const { effect, plain, trace } = witness()
  const made = onPath(path, faulty(stage, build))
  const outcome = await harness.evaluate({
    client,
    api: [plain, OpenFeatureHook.make(effect("api"))],
    hooks: [effect("first"), isObserved ? FeatureHook.observe(made) : made, effect("last")],
    provider: [OpenFeatureHook.make(effect("provider"))],
    answer: stage === "error" ? broken : ok
  })
  assertSane(outcome.details)
  assert.deepStrictEqual(ran(trace, "finally"), ["api", "first", "last", "plain", "provider"])
  assert.deepStrictEqual(
    ran(trace, "error"),
    outcome.details.errorCode === undefined ? [] : ["api", "first", "last", "plain", "provider"]
  )
  for (const line of outcome.logs) assert.notInclude(line, canary)
  return outcome
}

const assertFailed = (outcome: Outcome, { isObserved, stage }: Combination): void => {
  assert.deepStrictEqual(
    outcome.failures.map((failure) => `${failure.hook}.${failure.stage}`),
    [`faulty.${stage}`]
  )
  assert.strictEqual(outcome.logs.length, 1)
  if (stage === "error") return assert.strictEqual(outcome.details.errorMessage, "the provider is broken")
  const rejects = !isObserved && (stage === "before" || stage === "after")
  assert.deepStrictEqual(
    [outcome.details.value, outcome.details.errorCode],
    rejects ? [false, "GENERAL"] : [true, undefined]
  )
}

const name = (combination: Combination, kind: string, value: string): string =>
  `${combination.isObserved ? "an observed" : "a"} hook whose ${combination.stage} ${kind} with ${value} ` +
  `(${combination.client}, ${combination.path})`

/** Runs all checks and fails with the names of those that did not hold. */
const checkAll = (
  checks: ReadonlyArray<readonly [name: string, check: (harness: Harness) => Promise<void>]>,
  atLeast: number
) =>
  Effect.gen(function*(): Effect.fn.Return<void, unknown, Scope.Scope> {
    assert.isAtLeast(checks.length, atLeast)
    const watch = watchProcess()
    const harness = yield* makeHarness
    const broken: Array<string> = []
    for (const [name, check] of checks) {
      const seen = watch.events.length
      yield* Effect.promise(() =>
        check(harness).catch((error: unknown) => void broken.push(`${name}: ${String(error)}`))
      )
      if (watch.events.length > seen) broken.push(`${name}: ${watch.events.slice(seen).join(", ")}`)
    }
    yield* Effect.promise(watch.stop)
    assert.deepStrictEqual(broken.slice(0, 20), [], `${broken.length} of ${checks.length} combinations`)
    assert.deepStrictEqual(watch.events, [])
  }).pipe(Effect.scoped)

for (const [kind, build] of Object.entries(kinds)) {
  it.live(`an evaluation survives a hook that ${kind}, whatever the value`, () =>
    checkAll(
      Object.entries(hostileValues).flatMap(([value, make]) =>
        combinations.map((combination) =>
          [
            name(combination, kind, value),
            async (harness) => assertFailed(await check(harness, combination, () => build(make())), combination)
          ] as const
        )
      ),
      1000
    ))
}

// Whether it counts as an answer, a promise, or neither: the evaluation ends, and an observed hook changes nothing.
const assertUnharmed = (outcome: Outcome, { isObserved, stage }: Combination): void => {
  assert.isAtMost(outcome.failures.length, 1)
  assert.isAtMost(outcome.logs.length, 1)
  if (stage === "error") return assert.strictEqual(outcome.details.errorMessage, "the provider is broken")
  const result = [outcome.details.value, outcome.details.errorCode]
  const isRejected = !isObserved && outcome.details.errorCode !== undefined && (stage === "before" || stage === "after")
  assert.deepStrictEqual(result, isRejected ? [false, "GENERAL"] : [true, undefined])
}

// A promise that never settles holds the evaluation, as an effect that never ends does.
const neverSettle = new Set(["a promise that never settles", "a thenable that never settles"])

it.live("an evaluation survives a hook that gives back anything at all", () =>
  checkAll(
    Object.entries(hostileValues).filter(([value]) => !neverSettle.has(value)).flatMap(([value, make]) =>
      combinations.map((combination) =>
        [
          name(combination, "gives back", value),
          async (harness) => assertUnharmed(await check(harness, combination, () => returning(make())), combination)
        ] as const
      )
    ),
    1000
  ))

it.live("an evaluation survives a hook that interrupts itself", () =>
  checkAll(
    combinations.map((combination) =>
      [
        name(combination, "interrupts", "nothing"),
        async (harness) => assertFailed(await check(harness, combination, () => Effect.interrupt), combination)
      ] as const
    ),
    32
  ))

it.live(
  "an evaluation survives a before that gives back anything, as contribution, as context and as hints",
  () =>
    checkAll(
      Object.entries(hostileContexts).flatMap(([value, make]) =>
        combinations.filter(({ stage }) => stage === "before").flatMap((combination) =>
          [(value: unknown) => value, (value: unknown) => ({ context: value }), (value: unknown) => ({ hints: value })]
            .map((wrap) =>
              [
                name(combination, "gives back", value),
                async (harness) => {
                  await check(harness, combination, () => Effect.sync(() => returning(wrap(make()))))
                }
              ] as const
            )
        )
      ),
      1000
    ),
  60_000
)

/** Texts and codes that somebody put into an `EvaluationError`, which are for the caller to see. */
const deliberate: Readonly<Record<string, () => EvaluationError.EvaluationError>> = {
  "a message": () => new EvaluationError.EvaluationError({ code: "INVALID_CONTEXT", message: "no" }),
  "an empty message": () => new EvaluationError.EvaluationError({ code: "INVALID_CONTEXT", message: "" }),
  "a huge message": () => new EvaluationError.EvaluationError({ code: "GENERAL", message: "no".repeat(100_000) }),
  "control characters": () =>
    new EvaluationError.EvaluationError({ code: "GENERAL", message: "no\u001b[31m\n\r\u2028\u202e\u0085" }),
  "a message that is no text": () => new EvaluationError.EvaluationError({ code: "GENERAL", message: untyped({}) }),
  "a foreign code": () => new EvaluationError.EvaluationError({ code: untyped("ENOENT"), message: "no" }),
  "a code that is an object": () => new EvaluationError.EvaluationError({ code: untyped({}), message: "no" }),
  "a hostile cause": () =>
    new EvaluationError.EvaluationError({
      code: "GENERAL",
      message: "no",
      cause: hostileValues["a hostile proxy"]?.()
    }),
  "a throwing message": () =>
    Object.defineProperty(new EvaluationError.EvaluationError({ code: "GENERAL", message: "no" }), "message", {
      get: () => {
        throw new Error(canary)
      }
    }),
  "a proxy": () => new Proxy(new EvaluationError.EvaluationError({ code: "GENERAL", message: "no" }), {})
}

it.live("an evaluation survives an EvaluationError with anything in it", () =>
  checkAll(
    Object.entries(deliberate).flatMap(([value, make]) =>
      combinations.map((combination) =>
        [
          name(combination, "fails", `an EvaluationError with ${value}`),
          async (harness) => {
            const { details, failures } = await check(harness, combination, () => Effect.fail(make()))
            const { isObserved, stage } = combination
            const reaches = !isObserved && (stage === "before" || stage === "after")
            assert.strictEqual(failures.length, reaches ? 0 : 1)
            assert.strictEqual(details.errorCode !== undefined, reaches || stage === "error")
          }
        ] as const
      )
    ),
    300
  ))

/** The ways in which a program around the evaluation can go wrong with a value. */
const programs: Readonly<Record<string, (value: unknown) => FeatureHook.FeatureHook<unknown>>> = {
  "fails before it evaluates": (value) => FeatureHook.around("faulty", () => Effect.fail(value)),
  "dies before it evaluates": (value) => FeatureHook.around("faulty", () => Effect.die(value)),
  "throws while it builds its program": (value) =>
    FeatureHook.around("faulty", () => {
      throw value
    }),
  "gives back no program": (value) => FeatureHook.around("faulty", () => returning(value)),
  "fails after it has evaluated": (value) =>
    FeatureHook.around("faulty", (_context, evaluate) => Effect.andThen(Effect.exit(evaluate), Effect.fail(value))),
  "dies after it has evaluated": (value) =>
    FeatureHook.around("faulty", (_context, evaluate) => Effect.andThen(Effect.exit(evaluate), Effect.die(value))),
  "dies in a finalizer": (value) =>
    FeatureHook.around("faulty", (_context, evaluate) => Effect.ensuring(evaluate, Effect.die(value)))
}

for (const [kind, make] of Object.entries(programs)) {
  it.live(`an evaluation survives a program around it that ${kind}, whatever the value`, () =>
    checkAll(
      Object.entries(hostileValues).filter(([value]) => !(kind === "gives back no program" && value === "an effect"))
        .flatMap(([value, hostile]) =>
          clients.flatMap((client) =>
            paths.flatMap((path) =>
              [false, true].flatMap((isObserved) =>
                [ok, broken].map((answer) =>
                  [
                    `${value} (${client}, ${path}, ${isObserved ? "observed, " : ""}${answer.name})`,
                    async (harness) => {
                      const { effect, plain, trace } = witness()
                      const program = onPath(path, make(hostile()))
                      const { details, failures } = await harness.evaluate({
                        client,
                        api: [plain],
                        hooks: [effect("first"), isObserved ? FeatureHook.observe(program) : program, effect("last")],
                        answer
                      })
                      assertSane(details)
                      assert.deepStrictEqual(ran(trace, "finally"), ["first", "last", "plain"])
                      assert.deepStrictEqual(failures.map((failure) => failure.hook), ["faulty"])
                      assert.strictEqual(details.errorCode, isObserved && answer === ok ? undefined : "GENERAL")
                    }
                  ] as const
                )
              )
            )
          )
        ),
      800
    ))
}

/** The ways in which a hook that was written for the SDK can go wrong with a value. */
const plainKinds: Readonly<Record<string, (value: unknown) => unknown>> = {
  throws: (value) => {
    throw value
  },
  rejects: async (value) => {
    throw value
  },
  "gives back": (value) => value,
  "gives back later": async (value) => value
}

const isWaitedFor = (value: string): boolean => value === "a promise that never settles"

for (const [kind, stageOf] of Object.entries(plainKinds)) {
  it.live(
    `an evaluation survives a hook of the plain SDK, turned into an Effect hook, that ${kind}, whatever the value`,
    () =>
      checkAll(
        Object.entries(hostileContexts).filter(([value]) => !(kind.startsWith("gives") && isWaitedFor(value)))
          .flatMap(([value, make]) =>
            clients.flatMap((client) =>
              stages.map((stage) =>
                [
                  `${value} in ${stage} (${client})`,
                  async (harness) => {
                    const { effect, plain, trace } = witness()
                    const converted = OpenFeatureHook.toFeatureHook("faulty", { [stage]: () => stageOf(make()) })
                    const { details, failures } = await harness.evaluate({
                      client,
                      api: [plain],
                      hooks: [effect("first"), converted, effect("last")],
                      answer: stage === "error" ? broken : ok
                    })
                    assert.deepStrictEqual(ran(trace, "finally"), ["first", "last", "plain"])
                    // An error with a code of OpenFeature is one on purpose: its text is for the caller.
                    if (
                      value === "an error of the SDK" && (stage === "before" || stage === "after") &&
                      kind !== "gives back" && kind !== "gives back later"
                    ) {
                      assert.deepStrictEqual([details.errorCode, details.errorMessage], ["PARSE_ERROR", canary])
                      assert.deepStrictEqual(failures, [])
                      return
                    }
                    assertSane(details)
                    if (kind === "throws" || kind === "rejects") {
                      assert.deepStrictEqual(failures.map((failure) => `${failure.hook}.${failure.stage}`), [
                        `faulty.${stage}`
                      ])
                    }
                  }
                ] as const
              )
            )
          ),
        400
      ),
    60_000
  )
}

it.live("an evaluation survives hook data that cannot be made", () =>
  checkAll(
    Object.entries(hostileValues).flatMap(([value, make]) =>
      combinations.filter(({ isObserved }) => !isObserved).map((combination) =>
        [
          name(combination, "has no hook data", value),
          async (harness) => {
            const { effect, plain, trace } = witness()
            const { client, path, stage } = combination
            const hook = FeatureHook.make("faulty", {
              hookData: () => {
                throw make()
              },
              [stage]: () => Effect.void
            })
            const outcome = await harness.evaluate({
              client,
              api: [plain],
              hooks: [effect("first"), onPath(path, hook), effect("last")],
              answer: stage === "error" ? broken : ok
            })
            assertSane(outcome.details)
            assert.deepStrictEqual(ran(trace, "finally"), ["first", "last", "plain"])
            assertFailed(outcome, combination)
          }
        ] as const
      )
    ),
    500
  ))

// The test's clock reaches the hooks through the fiber that makes the evaluation.
for (const { client, isObserved, path, stage } of combinations) {
  it.effect(`a ${stage} that never ends is given up at its deadline: ${isObserved ? "observed, " : ""}${client}, ${path}`, () =>
    Effect.scoped(Effect.gen(function*() {
      const harness = yield* makeHarness
      for (const never of [Effect.never, Effect.uninterruptible(Effect.never)]) {
        const { effect, plain, trace } = witness()
        const state = { started: false }
        const timed = FeatureHook.timeout(
          onPath(path, faulty(stage, () => Effect.andThen(Effect.sync(() => void (state.started = true)), never))),
          "10 seconds"
        )
        const clock = yield* Effect.clockWith(Effect.succeed)
        const running = harness.evaluate({
          client,
          api: [plain],
          hooks: [
            effect("first"),
            FeatureHook.provide(isObserved ? FeatureHook.observe(timed) : timed, Context.make(Clock.Clock, clock)),
            effect("last")
          ],
          answer: stage === "error" ? broken : ok
        })
        while (!state.started) yield* Effect.promise(() => new Promise((resolve) => setImmediate(resolve)))
        yield* TestClock.adjust("10 seconds")
        const outcome = yield* Effect.promise(() => running)
        assertSane(outcome.details)
        assert.deepStrictEqual(ran(trace, "finally"), ["first", "last", "plain"])
        assertFailed(outcome, { client, isObserved, path, stage })
      }
    })))
}
