import * as Effect from "effect/Effect"
import { type Judge, tried } from "../bench.ts"
import { watchUnhandled } from "../process.ts"
import { late, requests } from "../requests.ts"
import { clients, turns } from "../world.ts"

export const rejections: Judge = (bench) =>
  Effect.suspend(() => {
    const found: Array<string> = []
    const stop = watchUnhandled((text) => void found.push(text))
    return Effect.forEach(clients, (client) =>
      tried(bench, { client }, (world) =>
        Effect.forEach(requests().flatMap((request) => [request, late(request)]), world.evaluate))).pipe(
        // Node tells of a rejection when the microtasks are done.
        Effect.andThen(turns(3)),
        Effect.map(() =>
          found
        ),
        Effect.ensuring(Effect.sync(stop))
      )
  })
