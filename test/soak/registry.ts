/**
 * A hundred thousand hooks that come and go while flags are evaluated, and then
 * nothing may be left. Part of `npm run soak`.
 */
import * as SDK from "@openfeature/server-sdk"
import { Effect, Logger, References } from "effect"
import { FeatureFlags, FeatureHook, HookRegistry } from "effect-openfeature"
import { slope } from "./slope.ts"

const total = 100_000
const checkpoints = 20

const program = Effect.gen(function*() {
  const registry = yield* HookRegistry.make()
  const flags = yield* FeatureFlags.make({ domain: "soak-registry" })
  const client = SDK.OpenFeature.getClient("soak-registry")
  yield* registry.attach(flags)
  yield* registry.attach(client)
  const counts = { opened: 0, closed: 0, ran: 0 }
  const hook = Effect.acquireRelease(
    Effect.sync(() => {
      counts.opened++
      return FeatureHook.make("counting", { finally: () => void counts.ran++ })
    }),
    () => Effect.sync(() => void counts.closed++)
  )
  yield* registry.add({ name: "stays", hook: FeatureHook.make("stays", { before: () => undefined }) })
  const heaps: Array<readonly [hooks: number, bytes: number]> = []
  for (let checkpoint = 0; checkpoint < checkpoints; checkpoint++) {
    for (let index = 0; index < total / checkpoints; index++) {
      const added = yield* registry.add({ name: `hook-${index}`, hook, before: ["stays"], priority: index % 3 })
      if (index % 10 === 0) {
        yield* flags.boolean("sale", false)
        yield* Effect.promise(() => client.getBooleanValue("sale", false))
      }
      if (index % 7 === 0) yield* registry.debug(index % 2 === 0 ? {} : false)
      yield* added.disable
      yield* added.unregister
    }
    yield* Effect.sleep("20 millis")
    globalThis.gc?.()
    heaps.push([(checkpoint + 1) * (total / checkpoints), process.memoryUsage().heapUsed])
  }
  return { counts, heaps, listed: (yield* registry.list).length }
})

/** Whether nothing is left. */
export const soakRegistry = async (): Promise<boolean> => {
  const { counts, heaps, listed } = await Effect.runPromise(
    Effect.provideService(Effect.scoped(program), References.CurrentLoggers, new Set([Logger.make(() => undefined)]))
  )
  const hooks = SDK.OpenFeature.getClient("soak-registry").getHooks().length
  // The first half is warm-up: code is compiled, and tables grow to their size.
  const perHook = slope(heaps.slice(checkpoints / 2))
  console.log(`registry: ${total} hooks came and went, ${perHook.toFixed(3)} bytes per hook are kept`, counts)
  // A hook that stays takes thousands.
  return perHook <= 8 && listed === 1 && hooks === 0 && counts.opened === total && counts.closed === total &&
    counts.ran === (total / 10) * 2
}
