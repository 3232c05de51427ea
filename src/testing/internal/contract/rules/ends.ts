import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { type Judge, tried } from "../bench.ts"
import { late, requests } from "../requests.ts"
import { clients } from "../world.ts"

/** The first that does not end is enough: each one takes the whole time. */
export const ends: Judge = (bench) =>
  Effect.forEach(
    clients,
    (client) =>
      tried(bench, { client }, (world) =>
        Effect.forEach(requests().flatMap((request) => [request, late(request)]), world.evaluate)).pipe(
          Effect.as<ReadonlyArray<string>>([]),
          Effect.mapError((hung) =>
            `${hung.what} did not end, with ${client}`
          )
        )
  ).pipe(
    Effect.as<ReadonlyArray<string>>([]),
    Effect.catch((evidence) =>
      Effect.succeed([`${evidence}: neither in a virtual minute nor in ${Duration.format(bench.lab.timeout)}`])
    )
  )
