import * as Effect from "effect/Effect"
import * as FeatureHook from "../../../../FeatureHook.ts"
import { type Judge, tried } from "../bench.ts"
import { late, requests } from "../requests.ts"
import type { Channel } from "../sink.ts"
import { difference, masked, textOf } from "../text.ts"
import type { Request } from "../lab.ts"
import { clients, featureHookOf, type Outcome, type Subject } from "../world.ts"

const deferred = (hook: Subject): Subject =>
  FeatureHook.transform(featureHookOf(hook), (stage) => Effect.andThen(Effect.yieldNow, stage))

const changes: ReadonlyArray<readonly [name: string, change: (hook: Subject) => Subject]> = [
  ["its stages at once", (hook) => hook],
  ["its stages a turn later", deferred]
]

const providers: ReadonlyArray<readonly [name: string, change: (request: Request) => Request]> = [
  ["an answer at once", (request) => request],
  ["an answer later", (request) => late(request)]
]

// The two clients do not have the same logger of the SDK.
const unlike: ReadonlyArray<Channel> = ["logger of the SDK"]

/** What a run contributed and recorded. The details are the business of the rule of transparency. */
const textsOf = (outcomes: ReadonlyArray<Outcome>): ReadonlyArray<string> =>
  outcomes.map(({ context, hints }) => `contribution: ${masked(textOf([context, hints]))}`)

/** Every way of running the hook does the same as the first. */
export const paths: Judge = (bench) =>
  Effect.gen(function*() {
    const evidence: Array<string> = []
    let first: ReadonlyArray<string> | undefined = undefined
    for (const client of clients) {
      let firstOfClient: ReadonlyArray<string> | undefined = undefined
      for (const [provider, answering] of providers) {
        for (const [stages, change] of changes) {
          const [outcomes, { sink }] = yield* tried(
            bench,
            { client, make: Effect.map(bench.make, change) },
            (world) => Effect.forEach(requests().map(answering), world.evaluate)
          )
          const contributed = textsOf(outcomes)
          const all = [...contributed, ...sink.comparable()]
          const shared = [...contributed, ...sink.comparable(unlike)]
          const way = `with ${client}, ${provider}, ${stages}`
          const found = new Set([...difference(firstOfClient ?? all, all), ...difference(first ?? shared, shared)])
          evidence.push(...Array.from(found, (text) => `${way}: ${text}`))
          first ??= shared
          firstOfClient ??= all
        }
      }
    }
    return evidence
  })
