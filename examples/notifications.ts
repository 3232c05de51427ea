// Messages about served defaults and changed flags, and records of evaluations, all in batches and in the background. No
// evaluation waits for any of them.
import { FlagdProvider } from "@openfeature/flagd-provider"
import { Effect, Exit, Fiber, Queue, Schedule, Scope, Stream } from "effect"
import { BatchHook, ChangeHook, FallbackMonitorHook, FeatureFlags } from "effect-openfeature"
import assert from "node:assert/strict"
import { fileURLToPath } from "node:url"

const messages: Array<string> = []

// A chat that takes one message for several alerts.
const post = (lines: ReadonlyArray<string>) =>
  Effect.sync(() => {
    messages.push(...lines)
    console.log(`chat: one message with ${lines.length} alerts`)
    for (const line of lines) console.log(`  ${line}`)
  })

let requests = 0
let inserted = 0

// A store of analytics that refuses the first request.
const insert = (records: ReadonlyArray<string>) =>
  Effect.suspend(() => {
    if (++requests === 1) return Effect.fail("too many requests")
    inserted += records.length
    return Effect.sync(() => console.log(`analytics: ${records.length} records in one request`))
  })

const program = Effect.gen(function*() {
  // A queue keeps what comes before somebody reads it.
  const alerts = yield* Queue.dropping<string>(100)
  const monitor = yield* FallbackMonitorHook.make({
    logLevel: false,
    onFallback: ({ errorCode, flagKey }) => Queue.offer(alerts, `${flagKey} serves its default value: ${errorCode}`)
  })
  const changed = yield* ChangeHook.make(({ current, flagKey, previous }) =>
    Queue.offer(alerts, `${flagKey} has changed for a user: ${previous.variant} -> ${current.variant}`)
  )
  const posting = yield* Stream.fromQueue(alerts).pipe(
    Stream.take(3),
    Stream.groupedWithin(10, "100 millis"),
    Stream.runForEach(post),
    Effect.forkChild
  )

  const batches = yield* BatchHook.make("analytics", {
    item: ({ flagKey }, { errorCode, variant }) => `${flagKey}: ${errorCode ?? variant}`,
    send: insert,
    retry: Schedule.exponential("10 millis").pipe(Schedule.upTo({ times: 3 })),
    maxSize: 50
  })

  const flags = yield* FeatureFlags.make({
    domain: "shop",
    provider: Effect.sync(() =>
      new FlagdProvider({
        resolverType: "in-process",
        offlineFlagSourcePath: fileURLToPath(new URL("flags.json", import.meta.url))
      })
    ),
    hooks: [monitor.hook, changed, batches.hook]
  })

  for (const plan of ["free", "free", "pro", "pro"]) {
    const options = { context: { targetingKey: "user-1", plan } }
    yield* flags.number("price-limit", 100, options)
    yield* flags.boolean("missing", false, options)
    yield* flags.boolean("loyalty-points", false, options)
  }
  yield* Fiber.join(posting)
  yield* batches.flush
  return { counts: yield* batches.counts, fallbacks: (yield* monitor.counts).fallbacks }
})

const scope = Effect.runSync(Scope.make())
const { counts, fallbacks } = await Effect.runPromise(Scope.provide(program, scope))
await Effect.runPromise(Scope.close(scope, Exit.void))
console.log(
  `${fallbacks} evaluations served a default value, ${counts.delivered} of ${counts.offered} records delivered`
)

assert.equal(messages.length, 3)
assert.deepEqual([counts.offered, counts.delivered, inserted, requests], [12, 12, 12, 2])
