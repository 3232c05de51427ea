import { assert, describe, it } from "@effect/vitest"
import { LoggingHook, Privacy } from "effect-openfeature"
import { OtelEventHook, OtelMetricsHook, OtelTracingHook } from "effect-openfeature/otel"
import { rangeError } from "../support.ts"

// Options as JavaScript or a file with settings may bring them.
const call = (make: (options: never) => unknown, options: object) => () => Reflect.apply(make, undefined, [options])
const privacy = (options: Privacy.Options) => Privacy.make("X.make", options)

const misuses: ReadonlyArray<readonly [message: string, misuse: () => unknown]> = [
  ...["none", "hash", "Omit", "", null, false, 1].map((targetingKey) =>
    [
      `X.make: targetingKey must be one of omit, raw, got ${targetingKey}`,
      call(privacy, { targetingKey })
    ] as const
  ),
  ["LoggingHook.make: targetingKey must be", call(LoggingHook.make, { targetingKey: "hmac" })],
  ["LoggingHook.make: redact must be a function, got x", call(LoggingHook.make, { redact: "x" })],
  [
    "OtelEventHook.make: context, unless it is a list of names, must be an object, got plan",
    call(OtelEventHook.make, { context: "plan" })
  ],
  [
    "OtelEventHook.make: version must be one of 1.45, 1.37, 1.31, got 1.99",
    call(OtelEventHook.make, { version: "1.99" })
  ],
  ["OtelEventHook.make: level must be one of Trace, Debug", call(OtelEventHook.make, { level: "info" })],
  ["OtelEventHook.make: errorLevel must be one of Trace", call(OtelEventHook.make, { errorLevel: "warn" })],
  ["OtelTracingHook.make: version must be one of", call(OtelTracingHook.make, { version: "latest" })],
  [
    "OtelTracingHook.make: maxDuration must be finite and positive, got 30 sec",
    call(OtelTracingHook.make, { maxDuration: "30 sec" })
  ],
  ["OtelMetricsHook.make: version must be one of", call(OtelMetricsHook.make, { version: "1.2" })],
  [
    "OtelMetricsHook.make: dimensions must be a list of names",
    call(OtelMetricsHook.make, { dimensions: "tier" })
  ],
  ["OtelMetricsHook.make: exclude must be a list of names", call(OtelMetricsHook.make, { exclude: [1] })],
  ["OtelMetricsHook.make: whenUnread must be one of Trace", call(OtelMetricsHook.make, { whenUnread: "warn" })],
  [
    "OtelTracingHook.makeAttributes: span must be one of current",
    call(OtelTracingHook.makeAttributes, { span: "top" })
  ],
  ...([
    ["OtelMetricsHook.make", OtelMetricsHook.make],
    ["OtelMetricsHook.makeMetric", OtelMetricsHook.makeMetric],
    ["OtelTracingHook.make", OtelTracingHook.make],
    ["OtelTracingHook.makeAttributes", OtelTracingHook.makeAttributes],
    ["OtelEventHook.make", OtelEventHook.make]
  ] as const).flatMap(([owner, make]) =>
    ([
      ["attributes must be an object or a function, got x", { attributes: "x" }],
      ["attributes.tags must be a text, a finite number, or a boolean", { attributes: { tags: ["a"] } }],
      ["dimensions must be a list of names", { dimensions: "tier" }],
      ["exclude must be a list of names", { exclude: [1] }],
      ["rewrite must be a function", { rewrite: {} }],
      ["version must be one of 1.45", { version: "2" }],
      ["values must be true or false", { values: 1 }],
      ["there is no option \"attributeMapper\"", { attributeMapper: () => ({}) }]
    ] as const).map(([message, options]) => [`${owner}: ${message}`, call(make, options)] as const)
  ),
  ["OtelMetricsHook.makeMetric: redact must be a function", call(OtelMetricsHook.makeMetric, { redact: "x" })]
]

describe("an option that is not what it may be is named when the hook is made", () => {
  it.each(misuses)("%s", (message, misuse) => {
    const found = rangeError(misuse)
    assert.isTrue(found.startsWith(message), found)
  })
})
