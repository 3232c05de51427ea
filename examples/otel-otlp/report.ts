// Prints what a receiver got of some requests, and checks it against the results of their evaluations.
import { Effect } from "effect"
import type { EvaluationDetails } from "effect-openfeature"
import { SemanticConventions } from "effect-openfeature/otel"
import type { Received, Span } from "./receiver.ts"

const print = (text = "") => Effect.sync(() => console.log(text))

const keyName = SemanticConventions.attributes.key.names["1.45"]
const userName = SemanticConventions.attributes.contextId.names["1.45"]
const errorName = SemanticConventions.attributes.errorType.names["1.45"]

const written = (attributes: ReadonlyMap<string, unknown>) =>
  Array.from(attributes, ([name, value]) => `${name.replace("feature_flag.", "")}=${String(value)}`).join(" ")

const keysOf = (told: ReadonlyArray<{ readonly attributes: ReadonlyMap<string, unknown> }>) =>
  told.map(({ attributes }) => String(attributes.get(keyName))).sort().join()

export const report = Effect.fnUntraced(function*({ received, requests, results }: {
  readonly requests: number
  readonly results: ReadonlyArray<EvaluationDetails.EvaluationDetails>
  readonly received: Received
}) {
  const { logs, points, spans } = received
  const roots = spans.filter((span) => span.parentSpanId === undefined)
  const evaluations = spans.filter((span) => span.name === SemanticConventions.event)
  const isUnder = (root: Span) => (told: { readonly traceId: string | undefined }) => told.traceId === root.traceId
  const evaluationsOf = (root: Span) =>
    evaluations.filter(isUnder(root)).filter((span) => span.parentSpanId === root.spanId)
  const logsOf = (root: Span) => logs.filter(isUnder(root)).filter((record) => record.spanId === root.spanId)
  const flagKeys = Array.from(new Set(results.map(({ flagKey }) => flagKey))).sort().join()

  const shown = roots.find((root) => evaluationsOf(root).some((span) => span.isError)) ?? roots[0]
  if (shown !== undefined) {
    yield* print(`1. One of ${roots.length} traces, ${shown.traceId}\n`)
    yield* print(`   ${shown.name} ${written(shown.attributes)}`)
    for (const span of evaluationsOf(shown)) yield* print(`     span ${written(span.attributes)}`)
    for (const { attributes, severity } of logsOf(shown)) yield* print(`     log  ${severity} ${written(attributes)}`)
    yield* print()
  }

  yield* print("2. Metrics\n")
  const total = ({ name }: { readonly name: string }) =>
    points.reduce((sum, { metric, value }) => metric === name ? sum + value : sum, 0)
  for (const { name } of Object.values(SemanticConventions.metrics)) {
    const series = points.filter(({ metric }) => metric === name).length
    yield* print(`   ${name.padEnd(41)}${String(total({ name })).padStart(4)} in ${series} series`)
  }
  yield* print()

  const { active, duration, error, requests: asked, success } = SemanticConventions.metrics
  const failed = results.filter((details) => details.errorCode !== undefined).length
  const equal = (label: string, ...numbers: ReadonlyArray<number>) =>
    [`${label}: ${numbers.join(" = ")}`, numbers.every((number) => number === numbers[0])] as const
  const whole = roots.filter((root) =>
    keysOf(evaluationsOf(root)) === flagKeys && keysOf(logsOf(root)) === flagKeys &&
    [...evaluationsOf(root), ...logsOf(root)].every(({ attributes }) =>
      attributes.get(userName) === root.attributes.get("user.id")
    )
  )
  const checks = [
    equal("evaluations = requests counted = durations", results.length, total(asked), total(duration)),
    equal("evaluations = successes + errors counted", results.length, total(success) + total(error)),
    equal("evaluations = spans = log records", results.length, evaluations.length, logs.length),
    equal(
      "errors = errors counted = failed spans = warnings",
      failed,
      total(error),
      evaluations.filter((span) => span.isError && span.attributes.has(errorName)).length,
      logs.filter((log) => log.severity === "WARN" && log.attributes.has(errorName)).length
    ),
    equal("evaluations still active = none", total(active), 0),
    equal("requests = traces with a span and a log record of each of its flags and its user", requests, whole.length),
    equal("requests = spans of something else", requests, spans.length - evaluations.length),
    equal(
      "log records of something else = none",
      logs.filter((log) => log.event !== SemanticConventions.event).length,
      0
    )
  ]
  yield* print("3. It adds up\n")
  for (const [text, holds] of checks) yield* print(`   ${holds ? "yes" : "NO "}  ${text}`)
  if (failed === 0 || !checks.every(([, holds]) => holds)) {
    return yield* Effect.die(new Error("what arrived does not agree with what was evaluated"))
  }
})
