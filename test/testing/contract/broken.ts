/** Hooks that are broken on purpose, each in a way of its own. */
import type * as SDK from "@openfeature/server-sdk"
import { Effect, Metric } from "effect"
import { FeatureHook } from "effect-openfeature"
import type { HookContract } from "effect-openfeature/testing"
import { untyped } from "../../faults/harness.ts"

const left: Array<() => void> = []

const owner = (release: () => void) => void left.push(release)

/** Puts away what the broken hooks have left behind. */
export const release = (): void => {
  for (const release of left.splice(0)) release()
}

const audit = () => FeatureHook.make("audit", { finally: ({ flagKey }) => Effect.logInfo(flagKey) })

const lost = { open: 0 }

const metric = Metric.counter("evaluations")
const active = Metric.gauge("active")

const merge = (target: Record<string, unknown>, source: object): void => {
  for (const [key, value] of Object.entries(source)) {
    if (typeof value === "object" && value !== null) merge(untyped(target[key] ??= {}), value)
    else target[key] = value
  }
}

type Broken = readonly [
  what: string,
  rules: ReadonlyArray<HookContract.RuleName>,
  make: HookContract.Make,
  options?: HookContract.Options
]

/** Each breaks its own rules and no other. */
export const broken: ReadonlyArray<Broken> = [
  ["hangs", ["ends"], () => FeatureHook.make("hangs", { finally: () => Effect.never }), { timeout: "50 millis" }],
  ["hangs with a promise", ["ends"], () => FeatureHook.make("hangs", { before: () => new Promise<void>(() => {}) }), {
    timeout: "50 millis"
  }],
  ["hangs when it closes", ["ends"], () => ({ hook: audit(), close: () => new Promise<void>(() => {}) }), {
    timeout: "50 millis"
  }],
  [
    "shares the state of evaluations",
    ["isolation"],
    () => {
      let current = ""
      return FeatureHook.make("shares", {
        before: ({ flagKey }) => void (current = flagKey),
        finally: () => Effect.logInfo(current)
      })
    }
  ],
  [
    "hands on what another user contributed",
    ["isolation"],
    () => {
      const plans: Array<string> = []
      return FeatureHook.make("hands-on", {
        before: async ({ context }) => {
          plans.push(JSON.stringify(context["plan"]))
          await Promise.resolve()
          return { context: { last: String(plans.at(-1)) } }
        }
      })
    },
    { mayContribute: ["context"] }
  ],
  [
    "leaves a gauge open when the evaluation fails",
    ["pairing"],
    () => FeatureHook.make("open", { before: () => void lost.open++, after: () => void lost.open-- }),
    { balance: () => lost.open }
  ],
  [
    "closes what it never opened",
    ["pairing"],
    () => FeatureHook.make("closes", { before: () => void lost.open++, finally: () => void lost.open-- }),
    { balance: () => lost.open }
  ],
  [
    "leaves a gauge of Effect open",
    ["pairing"],
    () => FeatureHook.make("open", { before: () => Metric.modify(active, 1), after: () => Metric.modify(active, -1) })
  ],
  [
    "leaves a span open",
    ["pairing"],
    () => FeatureHook.make("span", { before: () => Effect.asVoid(Effect.makeSpan("evaluation")) })
  ],
  [
    "counts on its before",
    ["pairing"],
    () =>
      FeatureHook.make("counts-on", {
        hookData: (): { started?: { readonly at: number } } => ({}),
        before: (_context, _hints, data) => void (data.started = { at: 0 }),
        finally: (_context, _details, _hints, data) => {
          if (data.started === undefined) throw new Error("not started")
        }
      })
  ],
  [
    "leaks a timer",
    ["leaks"],
    () =>
      FeatureHook.make("timer", {
        before: () => {
          const timer = setInterval(() => {}, 60_000)
          owner(() => clearInterval(timer))
        }
      })
  ],
  [
    "leaks a listener",
    ["leaks"],
    () => {
      const listener = () => {}
      process.on("SIGUSR2", listener)
      owner(() => process.off("SIGUSR2", listener))
      return audit()
    }
  ],
  [
    "leaks a fiber",
    ["leaks"],
    () => FeatureHook.make("fiber", { before: () => Effect.asVoid(Effect.forkDetach(Effect.sleep("1 day"))) })
  ],
  [
    "writes to nested details",
    ["writes"],
    () =>
      FeatureHook.observe(FeatureHook.make("writes", {
        finally: (_context, { value }) => {
          const colors: unknown = Reflect.get(Object(value), "colors")
          if (Array.isArray(colors)) colors.push("green")
        }
      }))
  ],
  [
    "writes to nested hints",
    ["writes"],
    (): SDK.Hook => ({
      before: (_context, hints) => void untyped<{ ids?: Array<string> }>(hints?.["audit"])?.ids?.push("b")
    })
  ],
  [
    "writes to the evaluation context",
    ["transparency", "writes"],
    (): SDK.Hook => ({ before: ({ context }) => void Reflect.set(Object(context["address"]), "city", "Berlin") })
  ],
  [
    "does something else when it has to wait",
    ["paths"],
    () =>
      FeatureHook.make("waits", {
        hookData: () => ({ isLate: false }),
        before: (_context, _hints, data) => void setImmediate(() => void (data.isLate = true)),
        finally: (_context, _details, _hints, { isLate }) => Effect.logInfo(isLate ? "late" : "in time")
      })
  ],
  [
    "grows a table for ever",
    ["memory"],
    () => {
      const seen = new Map<string, number>()
      return FeatureHook.make("grows", { after: ({ flagKey }) => void seen.set(flagKey, 1) })
    }
  ],
  [
    "logs the targeting key",
    ["privacy"],
    () =>
      FeatureHook.make("logs", {
        before: ({ context }) =>
          Effect.logInfo(typeof context.targetingKey === "string" ? context.targetingKey : "nobody")
      })
  ],
  [
    "prints the context",
    ["privacy"],
    (): SDK.Hook => ({ before: ({ context, logger }) => logger.debug("context", { ...context }) })
  ],
  [
    "puts the value into a metric",
    ["privacy"],
    () =>
      FeatureHook.make("metric", {
        after: (_context, { value }) =>
          Metric.update(Metric.withAttributes(metric, { value: typeof value === "string" ? value : "" }), 1)
      })
  ],
  [
    "ends a span with the error",
    ["privacy"],
    () => FeatureHook.around("span", (_context, evaluate) => Effect.withSpan(evaluate, "evaluation"))
  ],
  [
    "leaves a rejected promise",
    ["rejections"],
    () => FeatureHook.make("rejected", { finally: () => void Promise.reject(new Error("nobody waits")) })
  ],
  [
    "throws on hostile input",
    ["hostility"],
    () => FeatureHook.make("throws", { before: ({ context }) => void JSON.stringify(context) })
  ],
  [
    "merges with foreign keys",
    ["hostility"],
    () => FeatureHook.observe(FeatureHook.make("merges", { before: ({ context }) => merge({}, context) }))
  ],
  [
    "flips a value",
    ["transparency"],
    (): SDK.Hook => ({
      after: (_context, details) => {
        if (details.flagKey === "flag-a") Object.assign(details, { value: false })
      }
    })
  ],
  [
    "rejects an evaluation that it only watches",
    ["transparency"],
    () =>
      FeatureHook.make("rejects", {
        after: (_context, { value }) => typeof value === "number" ? Effect.fail("no") : Effect.void
      })
  ]
]
