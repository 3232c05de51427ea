import { assert, describe, it } from "@effect/vitest"
import * as SDK from "@openfeature/server-sdk"
import { Effect, Schema } from "effect"
import {
  AuditHook,
  AuditRecord,
  ContextValidatorHook,
  type EvaluationDetails,
  EvaluationError,
  FeatureFlags,
  FeatureHook,
  FlagFilter,
  type HookContext,
  HookHints,
  LoggingHook,
  MetricsHook,
  OpenFeatureHook,
  TimingHook
} from "effect-openfeature"
import { AsyncLocalStorage } from "node:async_hooks"
import { createRequire } from "node:module"
import {
  assertSane,
  broken,
  type Client,
  type Harness,
  makeHarness,
  ok,
  onPath,
  type Outcome,
  type Path,
  ran,
  type Stage,
  untyped,
  watchProcess,
  witness
} from "./harness.ts"
import { canary, hostileContexts, hostileValues } from "./values.ts"

type AnyHook = FeatureHook.FeatureHook<unknown>

interface Variant {
  readonly client: Client
  readonly path: Path
}

const variants: ReadonlyArray<readonly [Client, Path]> = [
  ["sdk", "sync"],
  ["sdk", "async"],
  ["FeatureFlags", "sync"],
  ["FeatureFlags", "async"]
]

const run = (test: (harness: Harness) => Promise<void>) =>
  Effect.scoped(Effect.gen(function*() {
    const watch = watchProcess()
    const harness = yield* makeHarness
    yield* Effect.promise(() => test(harness))
    yield* Effect.promise(watch.stop)
    assert.deepStrictEqual(watch.events, [])
  }))

/** A test in all variants. */
const each = (name: string, test: (harness: Harness, variant: Variant) => Promise<void>): void =>
  describe.each(variants)("%s, %s", (client, path) => {
    it.live(name, () => run((harness) => test(harness, { client, path })))
  })

/** A test of what only `FeatureFlags` can put right, for the plain SDK has given up by then. */
const onFeatureFlags = (name: string, test: (harness: Harness) => Promise<void>): void =>
  it.live(`${name}, through FeatureFlags`, () => run(test))

const throwing = (stage: Stage, make: () => unknown): SDK.Hook => ({
  [stage]: () => {
    throw make()
  }
})

const failing = FeatureHook.make("failing", { before: () => Effect.fail("no") })

/** Looks at one thing in each stage. */
const looking = <A>(look: (context: HookContext.HookContext, hints: HookHints.HookHints) => A, seen: Array<A>) => {
  const see = (context: HookContext.HookContext, hints: HookHints.HookHints) =>
    Effect.sync(() => void seen.push(look(context, hints)))
  return FeatureHook.make("looking", {
    before: see,
    after: (context, _details, hints) => see(context, hints),
    error: (context, _error, hints) => see(context, hints),
    finally: (context, _details, hints) => see(context, hints)
  })
}

const deepFreeze = <A>(value: A): A => {
  if (typeof value === "object" && value !== null && !Object.isFrozen(value)) {
    Object.freeze(value)
    for (const key of Reflect.ownKeys(value)) deepFreeze(Reflect.get(value, key))
  }
  return value
}

const builtIns = Effect.runSync(Effect.map(MetricsHook.makeMetric(), (metrics) => [
  TimingHook.make({ slowerThan: "0 millis" }),
  LoggingHook.make({
    before: "Error",
    after: "Error",
    values: true,
    errorMessage: true,
    context: ["targetingKey", "plan", "deep", "self"]
  }),
  AuditHook.make({ append: (record) => void AuditRecord.toJson(record) }, {
    values: true,
    errorMessage: true,
    metadata: true,
    context: ["targetingKey", "plan", "deep", "self"]
  }),
  metrics,
  ContextValidatorHook.make({ requireTargetingKey: true, schema: Schema.Struct({ plan: Schema.String }) })
]))

describe("plain hooks beside ours", () => {
  for (const stage of ["error", "finally"] as const) {
    onFeatureFlags(`a plain hook that throws anything in ${stage} costs no hook of ours a stage`, async (harness) => {
      for (const [name, make] of Object.entries(hostileValues)) {
        for (const level of ["api", "provider"] as const) {
          for (const path of ["sync", "async"] as const) {
            const { effect, trace } = witness()
            const { details } = await harness.evaluate({
              client: "FeatureFlags",
              hooks: [onPath(path, effect("first")), onPath(path, effect("last"))],
              [level]: [throwing(stage, make)],
              answer: stage === "error" ? broken : ok
            })
            assertSane(details)
            assert.deepStrictEqual(ran(trace, "finally"), ["first", "last"], `${name}, ${level}, ${path}`)
            if (stage === "error") assert.deepStrictEqual(ran(trace, "error"), ["first", "last"], `${name}, ${level}`)
          }
        }
      }
    })
  }

  for (const stage of ["before", "after"] as const) {
    onFeatureFlags(
      `a plain hook that throws anything in ${stage} gives the default value with a code of OpenFeature`,
      async (harness) => {
        for (const [name, make] of Object.entries(hostileValues)) {
          for (const level of ["api", "provider"] as const) {
            const { effect, trace } = witness()
            const errors: Array<EvaluationError.EvaluationError> = []
            const last: Array<string | undefined> = []
            const learning = FeatureHook.make("learning", {
              error: (_context, error) => Effect.sync(() => void errors.push(error)),
              finally: (_context, details) => Effect.sync(() => void last.push(details.errorCode))
            })
            const { details } = await harness.evaluate({
              client: "FeatureFlags",
              hooks: [effect("first"), learning, effect("last")],
              [level]: [throwing(stage, make)]
            })
            assert.isTrue(EvaluationError.isErrorCode(details.errorCode), name)
            assert.isFalse(details.value)
            assert.isString(details.errorMessage, name)
            assert.notStrictEqual(details.errorMessage, "", name)
            assert.deepStrictEqual(ran(trace, "error"), ["first", "last"], name)
            assert.deepStrictEqual(ran(trace, "finally"), ["first", "last"], name)
            assert.deepStrictEqual(errors.map((error) => EvaluationError.isErrorCode(error.code)), [true], name)
            assert.isAtLeast(errors[0]?.message.length ?? 0, 1, name)
            assert.isAtMost(errors[0]?.message.length ?? 0, 1000, name)
            assert.deepStrictEqual(last.map(EvaluationError.isErrorCode), [true], name)
          }
        }
      }
    )
  }

  each(
    "the error stage of our hooks runs once, also when a hostile hook makes the SDK run it again",
    async (harness, { client, path }) => {
      for (const make of [hostileValues["a symbol"], hostileValues["a hostile proxy"]]) {
        if (make === undefined) throw new Error("no such value")
        const { effect, trace } = witness()
        await harness.evaluate({
          client,
          api: [throwing("error", make)],
          hooks: [onPath(path, effect("ours"))],
          answer: () => ({ value: true, errorCode: "PARSE_ERROR", errorMessage: "no" })
        }).catch(() => undefined)
        assert.deepStrictEqual(ran(trace, "error"), ["ours"])
      }
    }
  )

  each("a foreign code of a plain hook or a provider does not reach our hooks", async (harness, { client, path }) => {
    const foreign = [{ code: "ENOENT" }, { code: {} }, { code: 0 }, Object.assign(new Error("no"), { code: "EACCES" })]
    for (const thrown of foreign) {
      const codes: Array<string | undefined> = []
      const learning = onPath(
        path,
        FeatureHook.make("learning", {
          error: (_context, error) => Effect.sync(() => void codes.push(error.code)),
          finally: (_context, details) => Effect.sync(() => void codes.push(details.errorCode))
        })
      )
      const provider = () => {
        throw thrown
      }
      const first = await harness.evaluate({ client, hooks: [learning], api: [throwing("before", () => thrown)] })
      const second = await harness.evaluate({ client, hooks: [learning], answer: provider })
      assert.deepStrictEqual(codes, ["GENERAL", "GENERAL", "GENERAL", "GENERAL"])
      if (client === "FeatureFlags") {
        assert.deepStrictEqual([first.details.errorCode, second.details.errorCode], ["GENERAL", "GENERAL"])
      }
    }
  })

  onFeatureFlags("details that a plain hook made unreadable give the default value", async (harness) => {
    for (const stage of ["after", "finally"] as const) {
      for (const key of ["value", "variant", "errorCode", "errorMessage", "reason"]) {
        for (const level of ["api", "provider"] as const) {
          const { effect, trace } = witness()
          const spoil: SDK.Hook = {
            [stage]: (_context: unknown, details: object) =>
              Object.defineProperty(details, key, {
                enumerable: true,
                get: () => {
                  throw new Error(canary)
                }
              })
          }
          const { details } = await harness.evaluate({
            client: "FeatureFlags",
            hooks: [effect("ours")],
            [level]: [spoil]
          })
          assertSane(details)
          assert.deepStrictEqual(ran(trace, "finally"), ["ours"], `${stage}, ${key}, ${level}`)
        }
      }
    }
  })

  each(
    "a plain hook that freezes the live context costs no hook of ours a stage",
    async (harness, { client, path }) => {
      const freezing: SDK.Hook = { before: (context) => void Object.freeze(context.context) }
      const adding = FeatureHook.make("adding", { before: () => Effect.succeed({ context: { added: true } }) })
      for (const hooks of [[adding], [adding, failing]]) {
        const { effect, trace } = witness()
        const { details, failures } = await harness.evaluate({
          client,
          api: [freezing],
          hooks: [effect("ours"), ...hooks.map((hook) => onPath(path, hook))]
        })
        assert.strictEqual(details.errorCode, "GENERAL")
        assert.deepStrictEqual(ran(trace, "error"), ["ours"])
        assert.deepStrictEqual(ran(trace, "finally"), ["ours"])
        assert.deepStrictEqual(failures.map((failure) => failure.hook), hooks.includes(failing) ? ["failing"] : [])
      }
    }
  )

  each(
    "a plain hook that puts an accessor into the live context is harmless to hooks that only look",
    async (harness, { client, path }) => {
      const spoiling: SDK.Hook = {
        before: (context) =>
          void Object.defineProperty(context.context, "spoilt", {
            enumerable: true,
            configurable: true,
            get: () => {
              throw new Error(canary)
            }
          })
      }
      const { effect, trace } = witness()
      const { details, failures } = await harness.evaluate({
        client,
        provider: [spoiling],
        hooks: [onPath(path, effect("ours")), ...builtIns.map((hook) => onPath(path, hook))]
      })
      assertSane(details)
      assert.deepStrictEqual(ran(trace, "finally"), ["ours"])
      assert.deepStrictEqual(failures.filter((failure) => failure.hook === "ours"), [])
    }
  )
})

describe("evaluation contexts", () => {
  each("a context that is set while the evaluation runs is for the next one", async (harness, { client, path }) => {
    const setting = FeatureHook.make("setting", {
      before: () => Effect.sync(() => void SDK.OpenFeature.setContext({ plan: "late" }))
    })
    const seen: Array<object> = []
    const { calls } = await harness.evaluate({
      client,
      hooks: [setting, looking(({ context }) => context, seen)].map((hook) => onPath(path, hook)),
      apiContext: { plan: "early" }
    })
    assert.deepStrictEqual(calls, [{ plan: "early" }])
    assert.deepStrictEqual(seen, [{ plan: "early" }, { plan: "early" }, { plan: "early" }])
  })

  each("a getter in the context of the caller is asked once", async (harness, { client, path }) => {
    let asked = 0
    const context = {
      get plan() {
        return `asked ${++asked}`
      }
    }
    const { effect } = witness()
    const { calls } = await harness.evaluate({
      client,
      hooks: [onPath(path, effect("ours")), ...builtIns.map((hook) => onPath(path, hook))],
      context
    })
    assert.deepStrictEqual(calls, [{ plan: "asked 1" }])
    assert.strictEqual(asked, 1)
  })

  each(
    "a hook is given a frozen copy of the context in every stage, never the live one",
    async (harness, { client, path }) => {
      for (const hooks of [[], [failing]]) {
        const seen: Array<object> = []
        const { calls } = await harness.evaluate({
          client,
          hooks: [onPath(path, looking(({ context }) => context, seen)), ...hooks],
          context: { plan: "pro" }
        })
        assert.strictEqual(seen.length, 3)
        for (const context of seen) {
          assert.isTrue(Object.isFrozen(context))
          assert.deepStrictEqual(context, { plan: "pro" })
          assert.notInclude(calls, context)
        }
      }
    }
  )

  each("nothing that the caller handed over is written to by the built-in hooks", async (harness, { client, path }) => {
    const context = deepFreeze({ targetingKey: "user", plan: "pro", deep: { list: [{ a: 1 }] } })
    const { details, failures } = await harness.evaluate({
      client,
      hooks: builtIns.map((hook) => onPath(path, hook)),
      context,
      apiContext: deepFreeze({ region: { name: "eu" } }),
      hints: client === "sdk" ? deepFreeze({ a: { b: 1 } }) : HookHints.fromRecord(deepFreeze({ a: { b: 1 } })),
      answer: () => deepFreeze({ value: true, flagMetadata: { version: 1 } })
    })
    assert.deepStrictEqual(failures, [])
    assert.isTrue(details.value)
    assert.deepStrictEqual(context, { targetingKey: "user", plan: "pro", deep: { list: [{ a: 1 }] } })
  })

  each(
    "what a before gives back is taken when it is a record and never spread when it is not",
    async (harness, { client, path }) => {
      for (const [name, make] of Object.entries(hostileContexts)) {
        const give = function(): Effect.Effect<void> {
          return Effect.sync(() => untyped(make()))
        }
        const hook = onPath(path, FeatureHook.make("giving", { before: give }))
        const { calls, details } = await harness.evaluate({ client, hooks: [hook], context: { plan: "pro" } })
        assertSane(details)
        for (const context of calls) assert.deepStrictEqual(Object.keys(context), ["plan"], name)
      }
    }
  )

  each("fields of a class are contributed, inherited and hidden ones are not", async (harness, { client, path }) => {
    class Plan {
      readonly plan = "pro"
      get inherited(): string {
        return "no"
      }
    }
    const given = Object.defineProperty(new Plan(), "hidden", { value: "no", enumerable: false })
    const hook = FeatureHook.make("giving", { before: () => Effect.succeed({ context: { ...given } }) })
    const whole = FeatureHook.make("whole", {
      before: (): Effect.Effect<void> => Effect.succeed(untyped({ context: given }))
    })
    for (const giving of [hook, whole]) {
      const { calls } = await harness.evaluate({ client, hooks: [onPath(path, giving)] })
      assert.deepStrictEqual(calls, [{ plan: "pro" }])
    }
  })

  onFeatureFlags("a context that cannot be read gives the default value", async (harness) => {
    for (const [name, make] of Object.entries(hostileContexts)) {
      const { effect } = witness()
      const { details } = await harness.evaluate({ client: "FeatureFlags", hooks: [effect("ours")], context: make() })
      assertSane(details)
      const api = await harness.evaluate({ client: "FeatureFlags", hooks: [effect("ours")], apiContext: make() })
      if (api.details.errorCode !== undefined) assert.strictEqual(api.details.errorCode, "GENERAL", name)
    }
  })

  onFeatureFlags("a context that cannot be read gives the default value also in a region with a context", async () => {
    for (const make of Object.values(hostileContexts)) {
      const details = await Effect.runPromise(Effect.scoped(Effect.gen(function*() {
        const flags = yield* FeatureFlags.make({ domain: "faults-region" })
        return yield* flags.booleanDetails("flag", false, { context: untyped(make()) }).pipe(
          FeatureFlags.withContext({ plan: "pro" })
        )
      })))
      assertSane(details)
    }
  })

  each("contexts that are no records count as none", async (harness, { client, path }) => {
    for (const context of [null, undefined, 0, false]) {
      const seen: Array<object> = []
      const { details } = await harness.evaluate({
        client,
        hooks: [onPath(path, looking(({ context }) => context, seen))],
        context
      })
      assert.isUndefined(details.errorCode)
      assert.deepStrictEqual(seen, [{}, {}, {}])
    }
  })

  each(
    "a context that is endless or cyclic is no trouble for the built-in hooks",
    async (harness, { client, path }) => {
      const deep: Record<string, unknown> = {}
      for (let i = 0, at = deep; i < 100_000; i++) {
        const next = {}
        at["deep"] = next
        at = next
      }
      const cyclic: Record<string, unknown> = { plan: "pro" }
      cyclic["self"] = cyclic
      for (const context of [deep, cyclic]) {
        const { details, failures } = await harness.evaluate({
          client,
          hooks: builtIns.map((hook) => onPath(path, hook)),
          context
        })
        assert.isTrue(details.value)
        assert.deepStrictEqual(failures, [])
      }
    }
  )
})

describe("hints", () => {
  const hintsOf = (client: Client, hints: unknown): unknown =>
    client === "sdk" ? hints : HookHints.fromRecord(untyped(hints))

  each("all hooks of a stack are given one record in all stages", async (harness, { client, path }) => {
    const seen: Array<object> = []
    const hook = onPath(path, looking((_context, hints) => hints.raw, seen))
    await harness.evaluate({ client, hooks: [hook, hook], hints: hintsOf(client, { audit: "1" }) })
    assert.strictEqual(seen.length, 6)
    assert.strictEqual(new Set(seen).size, 1)
  })

  each("hints that are no record count as none", async (harness, { client, path }) => {
    for (const hints of [null, "text", [1, 2], 5, true, () => 1]) {
      const seen: Array<object> = []
      await harness.evaluate({
        client,
        hooks: [onPath(path, looking((_context, hints) => HookHints.toRecord(hints), seen))],
        hints: hintsOf(client, hints)
      })
      for (const record of seen) assert.deepStrictEqual({ ...record }, {}, String(hints))
    }
  })

  each("hints that cannot be read or frozen cost no hook of ours its finally", async (harness, { client, path }) => {
    for (const [name, make] of Object.entries({ ...hostileContexts, "a buffer": () => new Uint8Array(8) })) {
      const { effect, trace } = witness()
      const outcome = await harness.evaluate({
        client,
        hooks: [onPath(path, effect("ours")), ...builtIns],
        hints: hintsOf(client, make())
      }).catch(() => undefined)
      // The SDK freezes them, and cannot read what that throws.
      if (client === "sdk" && name === "a hostile proxy that throws hostile proxies") {
        assert.deepStrictEqual(ran(trace, "error"), ["ours"], name)
        continue
      }
      const error = outcome === undefined || outcome.details.errorCode !== undefined
      assert.deepStrictEqual(ran(trace, "finally"), ["ours"], name)
      assert.deepStrictEqual(ran(trace, "error"), error ? ["ours"] : [], name)
    }
  })

  it.live("hints that are swapped while the evaluation runs are those that it began with", () =>
    run(async () => {
      const seen: Array<unknown> = []
      const options: SDK.FlagEvaluationOptions = {
        hookHints: { at: "first" },
        hooks: [OpenFeatureHook.make(
          looking((_context, hints) => HookHints.toRecord(hints)["at"], seen),
          FeatureHook.make("swapping", { before: () => Effect.sync(() => void (options.hookHints = { at: "second" })) })
        )]
      }
      await SDK.OpenFeature.getClient("faults-hints").getBooleanDetails("flag", false, {}, options)
      assert.deepStrictEqual(seen, ["first", "first", "first"])
    }))

  it.live("hints of the caller are not written to, whether or not a hook has a before", () =>
    run(async () => {
      const writing = FeatureHook.make("writing", {
        finally: (_context, _details, hints) =>
          Effect.sync(() => {
            Reflect.set(hints.raw, "written", true)
            Reflect.set(HookHints.toRecord(hints), "written", true)
          })
      })
      for (const hooks of [[writing], [writing, failing]]) {
        const hookHints = { audit: "1" }
        await SDK.OpenFeature.getClient("faults-hints").getBooleanDetails("flag", false, {}, {
          hooks: [OpenFeatureHook.make(...hooks)],
          hookHints
        })
        assert.deepStrictEqual(hookHints, { audit: "1" })
      }
    }))
})

describe("hook data and metadata", () => {
  each("1,000 evaluations at once do not see each other's hook data", async (harness, { client, path }) => {
    const mixed: Array<string> = []
    const hook = FeatureHook.make("hook", {
      hookData: () => ({ user: "" }),
      before: (context, _hints, data) =>
        Effect.andThen(
          Effect.sync(() => {
            data.user = JSON.stringify(context.context["user"])
          }),
          Effect.yieldNow
        ),
      finally: (context, _details, _hints, data) =>
        Effect.sync(() => {
          if (data.user !== JSON.stringify(context.context["user"])) mixed.push(data.user)
        })
    })
    const hooks = [onPath(path, hook), onPath(path, hook)]
    await Promise.all(
      Array.from({ length: 1000 }, (_, user) => harness.evaluate({ client, hooks, context: { user: `user-${user}` } }))
    )
    assert.deepStrictEqual(mixed, [])
  })

  each("metadata is a copy: writing to it renames nobody", async (harness, { client, path }) => {
    const seen: Array<boolean> = []
    const writing = looking(
      ({ clientMetadata, providerMetadata }) =>
        Reflect.set(clientMetadata, "domain", "written") || Reflect.set(providerMetadata, "name", "written"),
      seen
    )
    await harness.evaluate({ client, hooks: [onPath(path, writing)] })
    assert.deepStrictEqual(seen, [false, false, false])
  })
})

describe("details", () => {
  const objectFlag = (client: Client, hook: FeatureHook.FeatureHook, value: object, defaultValue: SDK.JsonValue) => {
    const domain = "faults-details"
    const provider = new SDK.InMemoryProvider({
      flag: { variants: { on: untyped<SDK.JsonValue>(value) }, defaultVariant: "on", disabled: false }
    })
    return SDK.OpenFeature.setProviderAndWait(domain, provider).then(() =>
      client === "sdk"
        ? SDK.OpenFeature.getClient(domain).getObjectDetails("flag", defaultValue, {}, {
          hooks: [OpenFeatureHook.make(hook)]
        })
        : Effect.runPromise(Effect.scoped(Effect.gen(function*() {
          const flags = yield* FeatureFlags.make({ domain })
          return yield* flags.objectDetails("flag", untyped<EvaluationDetails.FlagValue>(defaultValue), {
            hooks: [hook]
          })
        })))
    )
  }

  each("a hook is given a frozen copy of the details, all the way down", async (_harness, { client, path }) => {
    const value = { tree: { list: [1] } }
    const defaultValue = { tree: { list: [2] } }
    const frozen: Array<boolean> = []
    const write = (target: unknown): void => {
      if (typeof target !== "object" || target === null) return
      frozen.push(Object.isFrozen(target))
      Reflect.set(target, "written", true)
      for (const key of Object.keys(target)) write(Reflect.get(target, key))
    }
    const hook = FeatureHook.make("writing", {
      before: (context) => Effect.sync(() => write(context.defaultValue)),
      after: (_context, details) => Effect.sync(() => write(details)),
      finally: (_context, details) => Effect.sync(() => write(details))
    })
    const details = await objectFlag(client, onPath(path, hook), value, defaultValue)
    assert.isAbove(frozen.length, 0)
    assert.notInclude(frozen, false)
    assert.deepStrictEqual(details.value, { tree: { list: [1] } })
    assert.deepStrictEqual(value, { tree: { list: [1] } })
    assert.deepStrictEqual(defaultValue, { tree: { list: [2] } })
  })

  each("an errorCode that is empty counts as a success for everybody", async (harness, { client, path }) => {
    const { effect, trace } = witness()
    const { details } = await harness.evaluate({
      client,
      hooks: [onPath(path, effect("ours"))],
      answer: () => ({ value: true, errorCode: "" })
    })
    assert.isTrue(details.value)
    assert.deepStrictEqual(trace, ["ours.before", "ours.after", "ours.finally"])
  })

  each(
    "answers of a provider that make no sense are no trouble for the built-in hooks",
    async (harness, { client, path }) => {
      const answers: ReadonlyArray<unknown> = [
        {},
        { value: undefined },
        { value: true, reason: 5, variant: {} },
        { value: true, flagMetadata: null },
        { value: Symbol(canary), variant: null },
        { value: "text" },
        undefined,
        null,
        { value: true, errorCode: "NO_SUCH_CODE", errorMessage: {} },
        { value: 10n }
      ]
      for (const answer of answers) {
        const { effect, trace } = witness()
        const { failures } = await harness.evaluate({
          client,
          hooks: [effect("ours"), ...builtIns.map((hook) => onPath(path, hook))],
          answer: () => answer
        })
        assert.deepStrictEqual(ran(trace, "finally"), ["ours"])
        assert.deepStrictEqual(failures.map((failure) => `${failure.hook}.${failure.stage}`), [], typeof answer)
      }
    }
  )
})

describe("keys, options and scale", () => {
  each("things that are no hooks beside ours cost no hook of ours a stage", async (harness, { client, path }) => {
    const junk: ReadonlyArray<unknown> = [null, undefined, 1, "x", {}, () => 1, Symbol(canary)]
    const { effect, trace } = witness()
    const { details } = await harness.evaluate({
      client,
      api: untyped(junk),
      provider: untyped(junk),
      hooks: [onPath(path, effect("ours"))]
    })
    assert.isTrue(details.value)
    assert.deepStrictEqual(trace, ["ours.before", "ours.after", "ours.finally"])
    const broken: ReadonlyArray<unknown> = [
      { before: "x" },
      {
        get before() {
          throw new Error(canary)
        }
      }
    ]
    for (const hook of broken) {
      const { effect, trace } = witness()
      const { details } = await harness.evaluate({
        client,
        api: untyped([hook]),
        hooks: [onPath(path, effect("ours"))]
      })
      assert.strictEqual(details.errorCode, "GENERAL")
      assert.deepStrictEqual(trace, ["ours.error", "ours.finally"])
    }
  })

  onFeatureFlags("hints that are a plain record give an evaluation", async (harness) => {
    const { effect, trace } = witness()
    const { details } = await harness.evaluate({
      client: "FeatureFlags",
      hooks: [effect("ours")],
      hints: { audit: "1" }
    })
    assertSane(details)
    assert.deepStrictEqual(ran(trace, "finally"), ["ours"])
  })

  onFeatureFlags("a provider whose hooks cannot be read gives the default value", async (harness) => {
    const { effect } = witness()
    const unreadable = untyped<ReadonlyArray<SDK.Hook>>(
      new Proxy([], {
        get: () => {
          throw new Error(canary)
        }
      })
    )
    for (const hooks of [[], [effect("ours")]]) {
      const evaluation = harness.evaluate({ client: "FeatureFlags", hooks, provider: unreadable })
      const { details } = await evaluation
      assertSane(details)
      assert.strictEqual(details.errorCode, "GENERAL")
    }
  })

  each("flag keys that are odd or no text are no trouble", async (harness, { client, path }) => {
    const keys = [
      "toString",
      "__proto__",
      "constructor",
      "",
      "a\nb",
      "\u001b[31m",
      Symbol(canary),
      undefined,
      null,
      5,
      {}
    ]
    for (const flagKey of keys) {
      for (const hooks of [[], [failing]]) {
        const { effect, trace } = witness()
        const filtered = FeatureHook.when(effect("filtered"), FlagFilter.prefix("checkout-"))
        const { details, failures } = await harness.evaluate({
          client,
          hooks: [effect("ours"), filtered, ...builtIns, ...hooks].map((hook: AnyHook) => onPath(path, hook)),
          flagKey
        })
        assert.include(ran(trace, "finally"), "ours")
        assert.strictEqual(details.value, hooks.length === 0)
        if (typeof flagKey === "string") {
          assert.deepStrictEqual(failures.map((failure) => failure.hook), hooks.map((hook) => hook.name))
        }
      }
    }
  })

  each("a log line about a failure is one line, whatever the flag key", async (harness, { client, path }) => {
    const { logs } = await harness.evaluate({
      client,
      hooks: [onPath(path, failing)],
      flagKey: "a\nb\r\u001b[31m\u2028\u0085\u202e"
    })
    assert.strictEqual(logs.length, 1)
    // oxlint-disable-next-line no-control-regex -- control characters are what this is about
    assert.notMatch(logs[0] ?? "", /[\u0000-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e]/)
  })

  onFeatureFlags("options that are null or hooks that are none give an evaluation", async () => {
    const evaluate = (options: unknown) =>
      Effect.runPromise(Effect.scoped(Effect.gen(function*() {
        const flags = yield* FeatureFlags.make({ domain: "faults-options" })
        return yield* flags.booleanDetails("flag", false, untyped<FeatureFlags.EvaluationOptions | undefined>(options))
      })))
    for (
      const options of [null, undefined, {}, { hooks: null }, { hooks: undefined }, { hooks: [] }, { hints: undefined }]
    ) {
      assertSane(await evaluate(options))
    }
  })

  each("10,000 hooks in one stack run in order", async (harness, { client, path }) => {
    const order: Array<number> = []
    const hooks = Array.from({ length: 10_000 }, (_, index) =>
      onPath(
        path,
        FeatureHook.make(`h${index}`, {
          before: () => Effect.sync(() => void order.push(index)),
          finally: () => Effect.sync(() => void order.push(index))
        })
      ))
    const { details } = await harness.evaluate({ client, hooks: [FeatureHook.combineAll(hooks)] })
    assert.isTrue(details.value)
    const forwards = Array.from({ length: 10_000 }, (_, index) => index)
    assert.deepStrictEqual(order, [...forwards, ...Array.from(forwards).reverse()])
  })

  each("an error of another copy of the SDK keeps its code", async (harness, { client, path }) => {
    const other: typeof SDK = createRequire(import.meta.url)("@openfeature/server-sdk")
    assert.notStrictEqual(other.InvalidContextError, SDK.InvalidContextError)
    const plain: SDK.Hook = {
      before: () => {
        throw new other.InvalidContextError("no plan")
      }
    }
    const { details } = await harness.evaluate({
      client,
      hooks: [onPath(path, OpenFeatureHook.toFeatureHook("plain", plain))]
    })
    assert.deepStrictEqual([details.errorCode, details.errorMessage], ["INVALID_CONTEXT", "no plan"])
  })

  each("the store of an AsyncLocalStorage is there in every stage", async (harness, { client, path }) => {
    const storage = new AsyncLocalStorage<string>()
    for (const answer of [ok, broken]) {
      const seen: Array<string | undefined> = []
      const hook = onPath(path, looking(() => storage.getStore(), seen))
      await storage.run("request", () => harness.evaluate({ client, hooks: [hook], answer }))
      assert.deepStrictEqual(seen, ["request", "request", "request"])
    }
  })
})

describe("an Object.prototype that somebody polluted", () => {
  const polluted = async <A>(key: string, value: unknown, body: () => Promise<A>): Promise<A> => {
    // oxlint-disable-next-line no-extend-native -- this is what the tests are about
    Object.defineProperty(Object.prototype, key, { value, configurable: true, writable: true, enumerable: false })
    try {
      return await body()
    } finally {
      Reflect.deleteProperty(Object.prototype, key)
    }
  }

  for (const stage of ["before", "after", "error", "finally"] as const) {
    each(`a polluted ${stage} does not run through our hooks`, async (harness, { client, path }) => {
      const { effect, trace } = witness()
      let ranForeign = 0
      const outcome = await polluted(stage, () => void ranForeign++, async () => {
        const bare = FeatureHook.make("bare", {
          [stage === "before" ? "after" : "before"]: () => Effect.sync(() => void trace.push("bare"))
        })
        assert.throws(() => FeatureHook.make("idle", {}), RangeError)
        return harness.evaluate({ client, hooks: [bare, effect("ours")].map((hook) => onPath(path, hook)) })
      })
      assert.isUndefined(outcome.details.errorCode)
      assert.deepStrictEqual(ran(trace, "finally"), ["ours"])
      assert.strictEqual(ranForeign, 0)
    })
  }

  each("a polluted errorCode fails no evaluation of ours with a foreign code", async (harness, { client, path }) => {
    const { effect, trace } = witness()
    await polluted(
      "errorCode",
      "ENOENT",
      () => harness.evaluate({ client, hooks: [onPath(path, effect("ours")), ...builtIns] })
    )
    assert.deepStrictEqual(ran(trace, "finally"), ["ours"])
  })

  each("polluted contributions are no contributions", async (harness, { client, path }) => {
    const giving = FeatureHook.make("giving", { before: () => Effect.succeed({}) })
    for (const [key, value] of [["context", { isAdmin: true }], ["hints", { isAdmin: true }]] as const) {
      const { calls, details } = await polluted(
        key,
        value,
        () =>
          harness.evaluate({
            client,
            hooks: [onPath(path, giving)],
            context: undefined,
            hints: client === "sdk" ? undefined : HookHints.empty
          })
      )
      assert.isTrue(details.value, key)
      assert.deepStrictEqual(calls.map((context) => Object.keys(context)), [[]])
    }
  })
})

describe("prototypes", () => {
  const assertClean = ({ calls }: Outcome): void => {
    for (const context of calls) {
      assert.strictEqual(Object.getPrototypeOf(context), Object.prototype)
      assert.isUndefined(Reflect.get(context, "isAdmin"))
    }
  }
  const evil = (): Record<string, never> =>
    JSON.parse(`{"__proto__":{"isAdmin":true},"constructor":{"prototype":{"isAdmin":true}},"a":1}`)

  each("an own __proto__ never becomes a prototype, from wherever it comes", async (harness, { client, path }) => {
    const own = Reflect.ownKeys(Object.prototype)
    const giving = FeatureHook.make("giving", { before: () => Effect.succeed({ context: evil() }) })
    const plain = OpenFeatureHook.toFeatureHook("plain", { before: () => evil() })
    const setting = OpenFeatureHook.toFeatureHook("setting", {
      before: (context) => {
        for (const [key, value] of Object.entries(evil())) {
          Object.defineProperty(context.context, key, { value, enumerable: true, configurable: true, writable: true })
        }
      }
    })
    for (const hooks of [[giving], [plain], [setting], [giving, plain, setting], [giving, failing]]) {
      const seen: Array<object> = []
      const last = looking(({ context }) => context, seen)
      const outcome = await harness.evaluate({
        client,
        hooks: [...hooks, last].map((hook: AnyHook) => onPath(path, hook))
      })
      assertClean(outcome)
      for (const context of seen) assert.isUndefined(Reflect.get(context, "isAdmin"))
      for (const context of outcome.calls) assert.strictEqual(Reflect.get(context, "a"), 1)
    }
    assertClean(await harness.evaluate({ client, hooks: [onPath(path, giving)], context: evil(), apiContext: evil() }))
    assertClean(await harness.evaluate({ client, hooks: builtIns, context: evil(), hints: undefined }))
    assert.deepStrictEqual(Reflect.ownKeys(Object.prototype), own)
    assert.isUndefined(Reflect.get({}, "isAdmin"))
  })

  each("a key named constructor is data", async (harness, { client, path }) => {
    const giving = FeatureHook.make("giving", { before: () => Effect.succeed({ context: { toString: "b" } }) })
    const { calls } = await harness.evaluate({
      client,
      hooks: [onPath(path, giving)],
      context: { constructor: "a" }
    })
    assert.deepStrictEqual(calls.map((context) => ({ ...context })), [untyped({ constructor: "a", toString: "b" })])
  })
})
