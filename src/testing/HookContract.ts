/**
 * A contract for every hook: rules that a hook keeps if it is safe to add to the
 * evaluations of an application.
 *
 * Each rule creates the hook anew and evaluates flags with it, in the ways in
 * which an application can. The rules need no test runner.
 *
 * @since 0.2.0
 */
import type * as SDK from "@openfeature/server-sdk"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Data from "effect/Data"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { FeatureHook } from "../FeatureHook.ts"
import * as Check from "../internal/check.ts"
import * as Started from "../internal/started.ts"
import { oneLine } from "../internal/text.ts"
import type { Bench, Judge } from "./internal/contract/bench.ts"
import { ends } from "./internal/contract/rules/ends.ts"
import { hostility } from "./internal/contract/rules/hostility.ts"
import { isolation } from "./internal/contract/rules/isolation.ts"
import { leaks } from "./internal/contract/rules/leaks.ts"
import { memory } from "./internal/contract/rules/memory.ts"
import { pairing } from "./internal/contract/rules/pairing.ts"
import { paths } from "./internal/contract/rules/paths.ts"
import { places, privacy } from "./internal/contract/rules/privacy.ts"
import { rejections } from "./internal/contract/rules/rejections.ts"
import { transparency } from "./internal/contract/rules/transparency.ts"
import { writes } from "./internal/contract/rules/writes.ts"
import { acquire } from "./internal/contract/subject.ts"
import { Lab } from "./internal/contract/lab.ts"

/**
 * A hook that owns something, with the function that releases it.
 *
 * **Details**
 *
 * The result of `BackgroundHook.start` is one, and so is that of
 * `BackgroundHook.make`.
 *
 * @category models
 * @since 0.2.0
 */
export interface Owned {
  /** The hook under test. */
  readonly hook: FeatureHook<unknown> | SDK.Hook
  /** Releases what the hook owns, at the end of a rule. Nothing by default. */
  readonly close?: (() => PromiseLike<void> | void) | undefined
}

/**
 * Creates the hook under test: a hook of this library or of the SDK, or one that
 * owns something.
 *
 * **Details**
 *
 * A rule calls it several times. Each time it returns a new hook: at once, as a
 * promise, or as an effect with a `Scope`, which closes at the end of a rule.
 *
 * @category models
 * @since 0.2.0
 */
export type Make = () =>
  | FeatureHook<unknown>
  | SDK.Hook
  | Owned
  | PromiseLike<FeatureHook<unknown> | SDK.Hook | Owned>
  | Effect.Effect<FeatureHook<unknown> | SDK.Hook | Owned, unknown, Scope.Scope>

/**
 * The name of a rule.
 *
 * @category models
 * @since 0.2.0
 */
export type RuleName =
  | "ends"
  | "transparency"
  | "isolation"
  | "pairing"
  | "writes"
  | "paths"
  | "privacy"
  | "hostility"
  | "rejections"
  | "leaks"
  | "memory"

/**
 * A kind of data in an evaluation that can be about a user.
 *
 * @category models
 * @since 0.2.0
 */
export type Place = "targetingKey" | "context" | "value" | "variant" | "metadata" | "error" | "hints"

/**
 * What is known about the hook under test.
 *
 * @category models
 * @since 0.2.0
 */
export interface Options {
  /** The rules that do not apply to the hook, each with the reason. None by default. */
  readonly allow?: { readonly [Name in RuleName]?: string | undefined } | undefined
  /** Whether the hook may reject an evaluation, `false` by default. */
  readonly mayReject?: boolean | undefined
  /** What the hook may change before a flag is resolved. Nothing by default. */
  readonly mayContribute?: ReadonlyArray<"context" | "hints"> | undefined
  /** The data that the hook emits on purpose. None by default. */
  readonly mayEmit?: ReadonlyArray<Place> | undefined
  /**
   * Returns everything that the hooks created so far have emitted, such as the
   * lines of a file or the records of an exporter, at once or as a promise. The
   * rules find lines of Effect's loggers and of the SDK's, the console, and
   * Effect's metrics and spans without it.
   */
  readonly emitted?: (() => unknown) | undefined
  /** Returns how much the hooks created so far have opened and not closed, such as the value of a gauge. */
  readonly balance?: (() => number) | undefined
  /**
   * Returns the number of entries that the latest hook keeps. Without it, the rule
   * `memory` measures the heap, which takes Node.js.
   */
  readonly size?: (() => number) | undefined
  /**
   * The number of evaluations of the rule `memory`, 100,000 by default. With less
   * than 10,000, it finds only hooks that keep much, and takes further evaluations
   * before it says so.
   */
  readonly evaluations?: number | undefined
  /**
   * The real time after which a rule gives up on an evaluation that does not end,
   * 2 seconds by default. The clock of Effect is virtual in all rules.
   */
  readonly timeout?: Duration.Input | undefined
}

/**
 * A rule that a hook breaks.
 *
 * @category models
 * @since 0.2.0
 */
export interface Violation {
  /** The name of the rule. */
  readonly rule: RuleName
  /** What the rule demands. */
  readonly description: string
  /** What the hook did, ten entries at most, each in one line. */
  readonly evidence: ReadonlyArray<string>
}

/**
 * The hook breaks rules of the contract. The message names each one, with the
 * evidence.
 *
 * @category errors
 * @since 0.2.0
 */
export class ContractError extends Data.TaggedError("ContractError")<{
  /** The rules that the hook breaks. */
  readonly violations: ReadonlyArray<Violation>
  /** The rules with their evidence, in lines. */
  readonly message: string
}> {
  constructor({ violations }: {
    /** The rules that the hook breaks. */
    readonly violations: ReadonlyArray<Violation>
  }) {
    const rules = violations.map(({ description, evidence, rule }) =>
      [`${rule}: ${description}`, ...evidence.map((line) => `  - ${line}`)].join("\n")
    )
    super({ violations, message: rules.join("\n") })
  }
}

/**
 * A rule of the contract.
 *
 * @category models
 * @since 0.2.0
 */
export interface Rule {
  /** The name of the rule, which `Options.allow` takes. */
  readonly name: RuleName
  /** What the rule demands, in one sentence. */
  readonly description: string
  /** Checks the hook. Rejects with a `ContractError`. */
  readonly check: (make: Make, options?: Options | undefined) => Promise<void>
  /** Checks the hook. Fails with a `ContractError`. */
  readonly checkEffect: (make: Make, options?: Options | undefined) => Effect.Effect<void, ContractError>
}

interface Definition {
  readonly name: RuleName
  readonly description: string
  readonly judge: Judge
}

// The first is the condition of all others.
const definitions: ReadonlyArray<Definition> = [
  { name: "ends", description: "Each evaluation ends, and so does closing the hook.", judge: ends },
  {
    name: "transparency",
    description: "The hook changes no details, context and hints of an evaluation, unless it may.",
    judge: transparency
  },
  {
    name: "isolation",
    description: "Evaluations at the same time do what they do one after the other.",
    judge: isolation
  },
  {
    name: "pairing",
    description: "What the hook opens in an evaluation it closes, however that ends.",
    judge: pairing
  },
  { name: "writes", description: "The hook does not write to what it is given.", judge: writes },
  { name: "paths", description: "The hook does the same with both clients, at once and later.", judge: paths },
  { name: "privacy", description: "Nothing about a user is in what the hook emits, unless it may.", judge: privacy },
  { name: "hostility", description: "No odd or hostile value makes the hook fail an evaluation.", judge: hostility },
  { name: "rejections", description: "No promise of the hook is rejected without a handler.", judge: rejections },
  { name: "leaks", description: "A closed hook leaves no fibers, timers, listeners and handles.", judge: leaks },
  { name: "memory", description: "The memory of the hook does not grow with the number of keys.", judge: memory }
]

const owner = "HookContract.check"

const liveClock = Context.get(Context.empty(), Clock.Clock)

const each = (all: ReadonlyArray<string>): Check.Rule => (owner, name, value) => {
  for (const one of Check.names(owner, name, value)) Check.oneOf(owner, name, all, one)
}

const allowances: Check.Rule = (owner, name, value) => {
  Check.aRecord(owner, name, value)
  const rules = Object.fromEntries(definitions.map(({ name }) => [name, Check.aText]))
  Check.options(`${owner}: ${name}`, Object(value), rules)
}

const checked = (make: Make, options: Options): void => {
  Check.aFunction(owner, "make", make)
  Check.options(owner, options, {
    allow: allowances,
    mayReject: Check.aBoolean,
    mayContribute: each(["context", "hints"]),
    mayEmit: each(places),
    emitted: Check.aFunction,
    balance: Check.aFunction,
    size: Check.aFunction,
    evaluations: Check.positiveInteger,
    timeout: Check.positiveDuration
  })
}

const benchOf = (make: Make, options: Options): Bench => ({
  lab: new Lab(Duration.fromInputUnsafe(options.timeout ?? "2 seconds")),
  make: acquire(owner, make),
  mayReject: options.mayReject === true,
  mayContribute: options.mayContribute ?? [],
  mayEmit: options.mayEmit ?? [],
  emitted: options.emitted,
  balance: options.balance,
  size: options.size,
  evaluations: options.evaluations ?? 100_000
})

const violationsOf = (
  bench: Bench,
  { description, judge, name }: Definition
): Effect.Effect<ReadonlyArray<Violation>> =>
  judge(bench).pipe(
    Effect.catch(({ what }) => Effect.succeed([`cannot be judged: ${what} did not end`])),
    Effect.map((evidence) =>
      evidence.length === 0
        ? []
        : [{ rule: name, description, evidence: evidence.slice(0, 10).map((line) => oneLine(line, 600)) }]
    )
  )

const checkRules = (
  rules: ReadonlyArray<Definition>,
  make: Make,
  options: Options
): Effect.Effect<void, ContractError> => {
  checked(make, options)
  return Effect.gen(function*() {
    const bench = benchOf(make, options)
    yield* Effect.orDie(bench.lab.open)
    const violations: Array<Violation> = []
    for (const rule of rules) {
      if (options.allow?.[rule.name] !== undefined) continue
      violations.push(...yield* violationsOf(bench, rule))
      if (rule.judge === ends && violations.length > 0) break
    }
    if (violations.length > 0) return yield* new ContractError({ violations })
  }).pipe(Effect.scoped, Effect.provideService(Clock.Clock, liveClock))
}

/**
 * The rules of the contract, to make one test of each.
 *
 * **Details**
 *
 * - `ends`: each evaluation ends within a virtual minute, and closing the hook too.
 * - `transparency`: the details that the caller gets are those without the hook.
 *   So are the context and the hints, unless `mayContribute`. With `mayReject`, an
 *   evaluation may fail instead.
 * - `isolation`: concurrent evaluations contribute and emit what they do one after
 *   the other.
 * - `pairing`: spans end, gauges do not drift and `balance` stays, also when another
 *   hook fails, when `before` never ran, and on interruption.
 * - `writes`: nothing that the hook is given changes, and frozen values are enough.
 * - `paths`: contributions and records are the same with a client of the SDK and
 *   with `FeatureFlags`, with a provider that answers at once and later, and with
 *   stages that run at once and later.
 * - `privacy`: no targeting key, context, value, variant, metadata, error text and
 *   hint is in a log line, a span, a metric, on the console or in `emitted`.
 * - `hostility`: getters that throw, proxies, cycles, huge texts, control characters,
 *   `__proto__` and other odd values do not change the result.
 * - `rejections`: no rejected promise stays without a handler.
 * - `leaks`: a closed hook leaves no fibers, timers, sockets and process listeners.
 * - `memory`: evaluations with ever new keys do not make the heap grow.
 *
 * **Gotchas**
 *
 * Tests that run in the same process at the same time can disturb `leaks`,
 * `rejections` and `memory`. Timers without a reference (`unref`) are not found.
 * `isolation` and `paths` leave out numbers, which differ from run to run.
 *
 * **Example** (Making one test of each rule)
 *
 * ```ts
 * import { LoggingHook } from "effect-openfeature"
 * import { HookContract } from "effect-openfeature/testing"
 * import { test } from "node:test" // or from "vitest", or "@jest/globals"
 *
 * for (const rule of HookContract.rules) {
 *   test(rule.name, () => rule.check(() => LoggingHook.make(), { evaluations: 2_000, mayEmit: ["variant"] }))
 * }
 * ```
 *
 * @category rules
 * @since 0.2.0
 */
export const rules: ReadonlyArray<Rule> = definitions.map((rule) => ({
  name: rule.name,
  description: rule.description,
  check: async (make, options = {}) => Started.runPromise(checkRules([rule], make, options)),
  checkEffect: (make, options = {}) => checkRules([rule], make, options)
}))

/**
 * Checks all rules of the contract. The promise rejects with a `ContractError`.
 *
 * **When to use**
 *
 * Use in the tests of a hook, one from another package included. With Effect, use
 * `checkEffect`.
 *
 * **Details**
 *
 * If an evaluation does not end, no other rule is checked.
 *
 * **Gotchas**
 *
 * Rejects with a `RangeError` when an option is invalid or unknown, and with the
 * error of `make` when that fails.
 *
 * **Example** (Finding a hook that logs the user)
 *
 * ```ts
 * import type { Hook } from "@openfeature/server-sdk"
 * import { HookContract } from "effect-openfeature/testing"
 *
 * const audit: Hook = {
 *   finally: ({ context, logger }) => logger.info(`evaluated for ${context.targetingKey}`)
 * }
 * const error = await HookContract.check(() => audit, { evaluations: 2_000 }).catch((error) => error)
 * error instanceof HookContract.ContractError // => true
 * error.violations.map(({ rule }: HookContract.Violation) => rule) // => ["privacy"]
 * ```
 *
 * @category checking
 * @since 0.2.0
 */
export const check = async (make: Make, options: Options = {}): Promise<void> =>
  Started.runPromise(checkRules(definitions, make, options))

/**
 * Checks all rules of the contract, as an effect.
 *
 * **Details**
 *
 * The same as `check`. It works under a test clock too: the rules have clocks of
 * their own.
 *
 * **Gotchas**
 *
 * Throws a `RangeError` when an option is invalid or unknown.
 *
 * **Example** (Checking a hook that owns a queue)
 *
 * ```ts
 * import { Effect } from "effect"
 * import { BackgroundHook, FeatureHook } from "effect-openfeature"
 * import { HookContract } from "effect-openfeature/testing"
 *
 * const audit = FeatureHook.make("audit", { finally: (context) => Effect.logDebug(context.flagKey) })
 * const contract = HookContract.checkEffect(() => BackgroundHook.make(audit, { capacity: 100 }), {
 *   evaluations: 2_000
 * })
 * await Effect.runPromise(contract) // => undefined
 * ```
 *
 * @category checking
 * @since 0.2.0
 */
export const checkEffect = (make: Make, options: Options = {}): Effect.Effect<void, ContractError> =>
  checkRules(definitions, make, options)
