import { assert, describe, it } from "@effect/vitest"
import * as Conventions from "@opentelemetry/semantic-conventions/incubating"
import { Effect } from "effect"
import { EvaluationError, FeatureHook } from "effect-openfeature"
import { OtelEventHook, OtelMetricsHook, OtelTracingHook, SemanticConventions } from "effect-openfeature/otel"
import { TestProvider } from "effect-openfeature/testing"
import { collectFailures, paths } from "../support.ts"
import { clients, flagKey, logsInMemory, metricsInMemory, type Request, spansInMemory } from "./support.ts"

// The columns of the table: the attributes, as the conventions list them.
const attributes = [
  { column: "key", level: "required", name: Conventions.ATTR_FEATURE_FLAG_KEY },
  { column: "variant", level: "conditionally required", name: Conventions.ATTR_FEATURE_FLAG_RESULT_VARIANT },
  { column: "value", level: "conditionally required", name: Conventions.ATTR_FEATURE_FLAG_RESULT_VALUE },
  { column: "errorType", level: "conditionally required", name: Conventions.ATTR_ERROR_TYPE },
  { column: "errorMessage", level: "recommended", name: Conventions.ATTR_FEATURE_FLAG_ERROR_MESSAGE },
  { column: "reason", level: "recommended", name: Conventions.ATTR_FEATURE_FLAG_RESULT_REASON },
  { column: "provider", level: "recommended", name: Conventions.ATTR_FEATURE_FLAG_PROVIDER_NAME },
  { column: "contextId", level: "recommended", name: Conventions.ATTR_FEATURE_FLAG_CONTEXT_ID },
  { column: "setId", level: "recommended", name: Conventions.ATTR_FEATURE_FLAG_SET_ID },
  { column: "version", level: "recommended", name: Conventions.ATTR_FEATURE_FLAG_VERSION }
] as const
type Column = (typeof attributes)[number]["column"]

// What exports attributes: the event and the span with the default settings and
// with all of them that tell more, and the labels of each metric.
const outputs = [
  "event",
  "span",
  "event, all told",
  "span, all told",
  "success or error",
  "requests",
  "active",
  "duration"
] as const
type Output = (typeof outputs)[number]

// One letter for each column, a dot where the attribute is absent; `none` where
// there is nothing that could have attributes.
type Row = string
const none = "..........".split("").join(" ")

interface Expected {
  readonly rows: Readonly<Record<Output, Row>>
  readonly values: Partial<Record<Column, string | number | boolean>>
}

interface Case extends Expected {
  readonly name: string
  readonly request?: Partial<Request>
  /** A hook that fails, registered before or behind those that are looked at. */
  readonly first?: FeatureHook.FeatureHook<unknown>
  readonly last?: FeatureHook.FeatureHook<unknown>
  /** Where FeatureFlags tells something else. */
  readonly ofFeatureFlags?: Expected
}

const rows = (
  told: Row,
  all: Row,
  results: Row,
  others: { readonly span?: Row; readonly "span, all told"?: Row; readonly duration: Row }
): Readonly<Record<Output, Row>> => ({
  event: told,
  span: told,
  "event, all told": all,
  "span, all told": all,
  "success or error": results,
  requests: "K . . . . . P . . .",
  active: "K . . . . . P . . .",
  ...others
})

const common = { key: flagKey, provider: "test", contextId: "user-1" }
const metadata = { flagSetId: "shop", version: 7, canary: "never told" }
const resolved = { ...common, reason: "static", setId: "shop", version: "7" }
const variantless = (type: Request["type"], value: Parameters<typeof TestProvider.value>[0]): Partial<Request> => ({
  type,
  answer: TestProvider.value(value, { flagMetadata: metadata })
})

const broken = { message: "the text of the error" }
const failing = { errorType: "general", reason: "error", ...common }
// What is known after an error that took the metadata along, and after one that did not.
const withMetadata = rows("K . . T . R P . S E", "K . . T M R P C S E", "K . . T . R P . . .", {
  duration: "K . . T . . P . . ."
})
const withoutMetadata = rows("K . . T . R P . . .", "K . . T M R P C . .", "K . . T . R P . . .", {
  duration: "K . . T . . P . . ."
})

const errorTypes: Readonly<Record<EvaluationError.ErrorCode, string>> = {
  FLAG_NOT_FOUND: "flag_not_found",
  GENERAL: "general",
  INVALID_CONTEXT: "invalid_context",
  PARSE_ERROR: "parse_error",
  PROVIDER_FATAL: "provider_fatal",
  PROVIDER_NOT_READY: "provider_not_ready",
  TARGETING_KEY_MISSING: "targeting_key_missing",
  TYPE_MISMATCH: "type_mismatch"
}

const cases: ReadonlyArray<Case> = [
  {
    name: "a success with a variant",
    request: { answer: TestProvider.value(true, { variant: "on", flagMetadata: metadata }) },
    rows: rows("K V . . . R P . S E", "K V X . . R P C S E", "K V . . . R P . . .", {
      duration: "K . . . . . P . . ."
    }),
    values: { ...resolved, variant: "on", value: true }
  },
  {
    name: "a boolean without a variant",
    request: variantless("boolean", false),
    rows: rows("K . X . . R P . S E", "K . X . . R P C S E", "K . . . . R P . . .", {
      duration: "K . . . . . P . . ."
    }),
    values: { ...resolved, value: false }
  },
  {
    name: "a number without a variant",
    request: variantless("number", 0),
    rows: rows("K . X . . R P . S E", "K . X . . R P C S E", "K . . . . R P . . .", {
      duration: "K . . . . . P . . ."
    }),
    values: { ...resolved, value: 0 }
  },
  {
    name: "a text without a variant",
    request: variantless("string", "blue"),
    rows: rows("K . . . . R P . S E", "K . X . . R P C S E", "K . . . . R P . . .", {
      duration: "K . . . . . P . . ."
    }),
    values: { ...resolved, value: "blue" }
  },
  {
    name: "an object without a variant",
    request: variantless("object", { colour: ["blue", 1] }),
    rows: rows("K . . . . R P . S E", "K . X . . R P C S E", "K . . . . R P . . .", {
      duration: "K . . . . . P . . ."
    }),
    values: { ...resolved, value: "{\"colour\":[\"blue\",1]}" }
  },
  ...Object.entries(errorTypes).map(([code, errorType]): Case => ({
    name: `the error code ${code}`,
    request: {
      answer: Effect.map(
        EvaluationError.isErrorCode(code) ? TestProvider.error(code, broken.message) : Effect.die(code),
        (details) => ({ ...details, variant: "on", flagMetadata: { ...metadata } })
      )
    },
    rows: withMetadata,
    values: { ...resolved, reason: "error", errorType, errorMessage: broken.message }
  })),
  {
    name: "a provider that is not ready",
    request: { status: "not ready" },
    rows: withoutMetadata,
    values: { ...failing, errorType: "provider_not_ready", errorMessage: "provider has not yet initialized" }
  },
  {
    name: "a provider that has failed for good",
    request: { status: "fatal" },
    rows: withoutMetadata,
    values: { ...failing, errorType: "provider_fatal", errorMessage: "provider is in an irrecoverable error state" }
  },
  {
    name: "a `before` that failed, behind the hook",
    last: FeatureHook.make("failing", { before: () => Effect.fail(broken) }),
    rows: withoutMetadata,
    values: { ...failing, errorMessage: "hook \"failing\" failed in its before stage" }
  },
  {
    // Then the hook has no `before`, with which a span and a duration begin.
    name: "a `before` that failed, ahead of the hook",
    first: FeatureHook.make("failing", { before: () => Effect.fail(broken) }),
    rows: { ...withoutMetadata, span: none, "span, all told": none, duration: none },
    values: { ...failing, errorMessage: "hook \"failing\" failed in its before stage" }
  },
  {
    name: "an `after` that failed",
    last: FeatureHook.make("failing", { after: () => Effect.fail(broken) }),
    rows: withoutMetadata,
    values: { ...failing, errorMessage: "hook \"failing\" failed in its after stage" }
  },
  {
    name: "an Error that the provider throws",
    request: { answer: TestProvider.throwing(new Error(broken.message)) },
    rows: withoutMetadata,
    values: { ...failing, errorMessage: broken.message }
  },
  {
    // The SDK knows no message of it. FeatureFlags tells callers and hooks that there is none.
    name: "something else that the provider throws",
    request: { answer: TestProvider.throwing("no Error") },
    rows: { ...withoutMetadata, "event, all told": "K . . T . R P C . .", "span, all told": "K . . T . R P C . ." },
    values: failing,
    ofFeatureFlags: {
      rows: withoutMetadata,
      values: { ...failing, errorMessage: "the evaluation failed without a message" }
    }
  }
]

const request: Request = {
  type: "boolean",
  answer: TestProvider.value(true, { variant: "on", flagMetadata: metadata }),
  context: { targetingKey: "user-1", email: "never told" }
}

type Attributes = Readonly<Record<string, unknown>>

/** Everything that is exported of one evaluation, for each output the attributes of what there is, which is one or none. */
const exported = (
  [, evaluate]: (typeof clients)[number],
  change: (typeof paths)[number][1],
  { first = FeatureHook.empty, last = FeatureHook.empty, request: special }: Pick<Case, "first" | "last" | "request">,
  version?: SemanticConventions.Version
) =>
  Effect.gen(function*() {
    const all = { values: true, errorMessage: true, targetingKey: "raw" } as const
    const logs = { told: logsInMemory(), all: logsInMemory() }
    const spans = { told: spansInMemory(), all: spansInMemory() }
    const metrics = metricsInMemory()
    const hooks = [
      OtelEventHook.make({ logs: logs.told.provider, version }),
      OtelEventHook.make({ logs: logs.all.provider, ...all, version }),
      OtelTracingHook.make({ tracerProvider: spans.told.provider, version }),
      OtelTracingHook.make({ tracerProvider: spans.all.provider, ...all, version }),
      OtelMetricsHook.make({ meterProvider: metrics.provider, version })
    ]
    const failures = yield* collectFailures((failures) =>
      Effect.as(evaluate({ ...request, ...special }, [first, ...hooks.map((hook) => change(hook)), last]), failures)
    )
    assert.deepStrictEqual(failures.filter(({ hook }) => hook !== "failing"), [])
    const points = yield* metrics.points
    const of = (metric: { readonly name: string }): ReadonlyArray<Attributes> => points.get(metric.name) ?? []
    const { active, duration, error, requests, success } = SemanticConventions.metrics
    const records = { told: yield* logs.told.records, all: yield* logs.all.records }
    const finished = { told: yield* spans.told.spans, all: yield* spans.all.spans }
    for (const { eventName } of [...records.told, ...records.all]) {
      assert.strictEqual(eventName, Conventions.EVENT_FEATURE_FLAG_EVALUATION)
    }
    // The deprecated way to tell of an evaluation or an error.
    for (const { events } of [...finished.told, ...finished.all]) assert.deepStrictEqual(events, [])
    const found: Record<Output, ReadonlyArray<Attributes>> = {
      event: records.told.map(({ attributes }) => attributes),
      span: finished.told.map(({ attributes }) => attributes),
      "event, all told": records.all.map(({ attributes }) => attributes),
      "span, all told": finished.all.map(({ attributes }) => attributes),
      "success or error": [...of(success), ...of(error)],
      requests: of(requests),
      active: of(active),
      duration: of(duration)
    }
    return { found, hasFailed: of(error).length > 0 }
  })

const letters: ReadonlyArray<readonly [letter: string, column: Column]> = [
  ["K", "key"],
  ["V", "variant"],
  ["X", "value"],
  ["T", "errorType"],
  ["M", "errorMessage"],
  ["R", "reason"],
  ["P", "provider"],
  ["C", "contextId"],
  ["S", "setId"],
  ["E", "version"]
]
const columnOf = new Map<string, Column>(letters)
const cells = (row: Row): ReadonlyArray<string> => row.split(" ")

/** A row as it was found, with the attributes that no column knows behind it. */
const rowOf = (found: ReadonlyArray<Attributes>): Row => {
  const [only = {}] = found
  const known: ReadonlySet<string> = new Set(attributes.map(({ name }) => name))
  return [
    ...letters.map(([letter, column], index) => {
      assert.strictEqual(attributes[index]?.column, column)
      return Object.hasOwn(only, attributes[index]?.name ?? "") ? letter : "."
    }),
    ...Object.keys(only).filter((name) => !known.has(name))
  ].join(" ")
}

const sum = (numbers: ReadonlyArray<number>): number => numbers.reduce((total, number) => total + number, 0)

describe("the table", () => {
  it("has a cell for each attribute in each output of each case", () => {
    assert.strictEqual(attributes.length, 10)
    assert.strictEqual(outputs.length, 8)
    assert.strictEqual(cases.length, 20)
    assert.strictEqual(new Set(cases.map(({ name }) => name)).size, 20)
    const count = sum(cases.map(({ rows }) => sum(Object.values(rows).map((row) => cells(row).length))))
    assert.strictEqual(count, 1600)
    assert.strictEqual(clients.length * paths.length, 4)
  })

  it("has every letter in its column and nothing but letters and dots", () => {
    for (const { rows } of cases) {
      for (const output of outputs) {
        cells(rows[output]).forEach((cell, index) => assert.include([letters[index]?.[0], "."], cell))
      }
    }
  })

  it("asks for what the conventions require", () => {
    for (const { name, request, rows, values } of cases) {
      for (const output of outputs) {
        const row = rows[output]
        if (row !== none) assert.include(row, "K", name)
        const isOfResult = !["requests", "active"].includes(output)
        assert.strictEqual(row.includes("T"), row !== none && isOfResult && values.errorType !== undefined, name)
        if (output.includes("event")) {
          assert.strictEqual(row.includes("V"), values.variant !== undefined, name)
          // Texts and structures wait for `values`, which no convention knows.
          const isSecret = request?.type === "string" || request?.type === "object"
          const isDue = values.errorType === undefined && values.variant === undefined
          if (isDue) assert.strictEqual(row.includes("X"), output === "event, all told" || !isSecret, name)
          if (values.errorType !== undefined) assert.notInclude(row, "X", name)
        }
      }
    }
  })

  it("has the names and levels of the conventions", () => {
    assert.strictEqual(SemanticConventions.event, Conventions.EVENT_FEATURE_FLAG_EVALUATION)
    assert.deepStrictEqual(
      attributes.map(({ column, level, name }) => ({ column, level, name })),
      Object.entries(SemanticConventions.attributes).map(([column, { level, names }]) => ({
        column,
        level,
        name: names["1.45"]
      }))
    )
  })
})

for (const client of clients) {
  for (const [path, change] of paths) {
    describe(`what is exported with ${client[0]}, ${path}`, () => {
      for (const special of cases) {
        it.effect(`of ${special.name}`, () =>
          Effect.gen(function*() {
            const { found, hasFailed } = yield* exported(client, change, special)
            let checked = 0
            const { rows, values } = client[0] === "FeatureFlags" ? special.ofFeatureFlags ?? special : special
            for (const output of outputs) {
              const row = rows[output]
              assert.strictEqual(found[output].length, row === none ? 0 : 1, `number of: ${output}`)
              assert.strictEqual(rowOf(found[output]), row, output)
              for (const [index, cell] of cells(row).entries()) {
                checked++
                const column = columnOf.get(cell)
                const name = attributes[index]?.name ?? ""
                const expected = column === undefined ? undefined : values[column]
                assert.strictEqual(found[output][0]?.[name], expected, `${output}: ${name}`)
                if (column !== undefined) assert.isDefined(expected)
              }
            }
            assert.strictEqual(checked, 80)
            assert.strictEqual(hasFailed, special.values.errorType !== undefined)
          }))
      }
    })
  }
}

// The names of former versions of the conventions, and those of other hooks.
const formerNames = {
  "1.31": {
    variant: Conventions.ATTR_FEATURE_FLAG_VARIANT,
    value: "feature_flag.evaluation.value",
    errorMessage: Conventions.ATTR_FEATURE_FLAG_EVALUATION_ERROR_MESSAGE,
    reason: Conventions.ATTR_FEATURE_FLAG_EVALUATION_REASON,
    provider: "feature_flag.provider_name"
  },
  "1.37": { errorMessage: Conventions.ATTR_ERROR_MESSAGE },
  "1.45": {}
} as const
const newNames = Object.fromEntries(attributes.map(({ column, name }) => [column, name]))
const foreignNames = [
  "exception",
  "exception.message",
  "exception.stacktrace",
  "exception.type",
  "feature_flag.evaluation.variant",
  "feature_flag.result",
  "feature_flag.targeting_key",
  "feature_flag.value",
  "key",
  "provider",
  "reason",
  "value",
  "variant"
]
// Each attribute is in one of them.
const telling = new Set(["a success with a variant", "an object without a variant", "the error code PARSE_ERROR"])
const allNames = new Set([
  ...Object.values(newNames),
  ...Object.values(formerNames).flatMap((names) => Object.values(names)),
  ...foreignNames
])

const names: ReadonlyArray<
  readonly [version: SemanticConventions.Version | undefined, byColumn: Readonly<Record<string, string>>]
> = [
  [undefined, newNames],
  ["1.45", { ...newNames, ...formerNames["1.45"] }],
  ["1.37", { ...newNames, ...formerNames["1.37"] }],
  ["1.31", { ...newNames, ...formerNames["1.31"] }]
]

describe("former names", () => {
  for (const client of clients) {
    for (const [path, change] of paths) {
      for (const [version, byColumn] of names) {
        const expected = new Set(Object.values(byColumn))
        const setting = version === undefined ? "by default" : `with version ${version}`
        it.effect(`${setting} there are those of it and no others, with ${client[0]}, ${path}`, () =>
          Effect.gen(function*() {
            const events = new Set<string>()
            const spans = new Set<string>()
            const labels = new Set<string>()
            for (const special of cases.filter(({ name }) => telling.has(name))) {
              const { found } = yield* exported(client, change, special, version)
              const collect = (names: Set<string>, outputs: ReadonlyArray<Output>) => {
                for (const output of outputs) {
                  for (const only of found[output]) for (const name of Object.keys(only)) names.add(name)
                }
              }
              collect(events, ["event", "event, all told"])
              collect(spans, ["span", "span, all told"])
              collect(labels, ["success or error", "requests", "active", "duration"])
            }
            const isLabel: ReadonlySet<string> = new Set(["key", "variant", "errorType", "reason", "provider"])
            const expectedLabels = new Set(
              Object.entries(byColumn).flatMap(([column, name]) => isLabel.has(column) ? [name] : [])
            )
            for (const name of allNames) {
              assert.strictEqual(events.has(name), expected.has(name), `event: ${name}`)
              assert.strictEqual(spans.has(name), expected.has(name), `span: ${name}`)
              assert.strictEqual(labels.has(name), expectedLabels.has(name), `label: ${name}`)
            }
            assert.strictEqual(events.size, 10)
            assert.strictEqual(spans.size, 10)
            assert.strictEqual(labels.size, 5)
          }))
      }
    }
  }

  it("are 6, and 29 names are looked for", () => {
    assert.strictEqual(Object.values(formerNames).flatMap((names) => Object.values(names)).length, 6)
    assert.strictEqual(allNames.size, 10 + 6 + foreignNames.length)
  })
})
