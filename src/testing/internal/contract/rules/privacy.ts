import * as SDK from "@openfeature/server-sdk"
import * as Effect from "effect/Effect"
import * as EvaluationError from "../../../../EvaluationError.ts"
import * as FeatureHook from "../../../../FeatureHook.ts"
import * as HookHints from "../../../../HookHints.ts"
import { type Bench, type Judge, tried } from "../bench.ts"
import { watchConsole } from "../process.ts"
import { type Emission, Sink } from "../sink.ts"
import { textOf } from "../text.ts"
import type { Request } from "../lab.ts"
import { type Client, clients, type Hook, type Hung } from "../world.ts"

/** The kinds of data of a user in an evaluation. */
export const places = ["targetingKey", "context", "value", "variant", "metadata", "error", "hints"] as const

type Place = (typeof places)[number]

/** A text that says where it was. */
const canary = (place: Place): string => `canary-${place.toLowerCase()}-end`

const Secret = HookHints.key<string>("secret")

const thrown = Object.assign(new Error(canary("error"), { cause: new Error(canary("error")) }), {
  name: canary("error"),
  stack: canary("error"),
  detail: canary("error")
})

const common = {
  defaultValue: canary("value"),
  context: {
    targetingKey: canary("targetingKey"),
    email: canary("context"),
    [canary("context")]: 1,
    nested: { list: [{ deep: canary("context") }], [canary("context")]: true }
  },
  hints: HookHints.add(HookHints.fromRecord({ raw: canary("hints") }), Secret, canary("hints"))
} as const

const resolved = {
  variant: canary("variant"),
  reason: "STATIC",
  flagMetadata: { owner: canary("metadata"), [canary("metadata")]: canary("metadata"), contextId: canary("metadata") }
}

const throwing = (error: unknown) => (): never => {
  throw error
}

const requests: ReadonlyArray<Request> = [
  { ...common, flagKey: "text", answer: () => ({ ...resolved, value: canary("value") }) },
  {
    ...common,
    flagKey: "object",
    defaultValue: { [canary("value")]: canary("value") },
    answer: () => ({ ...resolved, value: { [canary("value")]: [canary("value")] } })
  },
  // A value of the wrong type.
  { ...common, flagKey: "number", defaultValue: 1, answer: () => ({ ...resolved, value: canary("value") }) },
  {
    ...common,
    flagKey: "code",
    answer: () => ({
      ...resolved,
      value: canary("value"),
      errorCode: SDK.ErrorCode.PARSE_ERROR,
      errorMessage: canary("error")
    })
  },
  { ...common, flagKey: "throwing", answer: throwing(thrown) },
  { ...common, flagKey: "throwing-text", answer: throwing(canary("error")) },
  { ...common, flagKey: "throwing-object", answer: throwing({ code: canary("error"), message: canary("error") }) }
]

const rejection = new EvaluationError.EvaluationError({
  code: "INVALID_CONTEXT",
  message: canary("error"),
  cause: thrown
})

const neighbours: ReadonlyArray<ReadonlyArray<Hook>> = [
  [],
  [FeatureHook.make("contract failing", { before: () => Effect.fail(thrown) })],
  [FeatureHook.make("contract dying", { after: () => Effect.die(thrown) })],
  [FeatureHook.make("contract rejecting", { before: () => Effect.fail(rejection) })]
]

/** What is in the records, where it was in the evaluation, and the text around it. */
const found = (records: ReadonlyArray<Emission>, { mayEmit }: Bench): ReadonlyArray<string> =>
  records.flatMap(({ channel, text }) =>
    Array.from(text.toLowerCase().matchAll(/canary-([a-z]*)/g), (match) => {
      const place = places.find((place) => place.toLowerCase() === match[1])
      if (place !== undefined && mayEmit.includes(place)) return []
      const around = text.slice(Math.max(0, match.index - 60), match.index + 30)
      return [`${place ?? "a part of the evaluation"} is in ${channel}: …${around}…`]
    }).flat()
  )

const judged = (bench: Bench, client: Client, inner: ReadonlyArray<Hook>): Effect.Effect<ReadonlyArray<string>, Hung> =>
  Effect.suspend(() => {
    const printed = new Sink(true)
    const stop = watchConsole((values) => printed.add("console", textOf(values)))
    return tried(bench, { client, inner }, (world) => Effect.forEach(requests, world.evaluate)).pipe(
      Effect.ensuring(Effect.sync(stop)),
      Effect.zip(Effect.promise(async () => bench.emitted?.())),
      Effect.map(([[, { sink }], emitted]) => {
        printed.add("emitted", textOf(emitted))
        return Array.from(new Set(found([...sink.all, ...printed.records], bench)), (text) => `with ${client}, ${text}`)
      })
    )
  })

export const privacy: Judge = (bench) =>
  Effect.gen(function*() {
    const evidence: Array<string> = []
    for (const client of clients) {
      for (const inner of neighbours) evidence.push(...yield* judged(bench, client, inner))
    }
    return Array.from(new Set(evidence))
  })
