// Four hooks of your own: audit, analytics, enrichment and alerting. They get what they need as services. What they own,
// such as a queue or a count, lives as long as a layer.
import { FlagdProvider } from "@openfeature/flagd-provider"
import { type Cause, Context, Data, Duration, Effect, Fiber, Layer, Option, Queue, References, Stream } from "effect"
import { FeatureFlags, FeatureHook, FlagFilter, TimingHook } from "effect-openfeature"
import { fileURLToPath } from "node:url"

// ---------------------------------------------------------------------------------------------------------------------
// Audit: a record of every evaluation, with its value or its error
// ---------------------------------------------------------------------------------------------------------------------

interface AuditRecord {
  readonly flagKey: string
  readonly user: string
  readonly outcome: string
}

class AuditLog extends Context.Service<AuditLog, {
  readonly append: (record: AuditRecord) => Effect.Effect<void>
}>()("examples/AuditLog") {
  static readonly layer = Layer.effect(
    AuditLog,
    Effect.gen(function*() {
      const records: Array<AuditRecord> = []
      yield* Effect.addFinalizer(() =>
        Effect.sync(() => {
          console.log(`audit: ${records.length} records`)
          for (const { flagKey, outcome, user } of records) console.log(`  ${user}: ${flagKey} -> ${outcome}`)
        })
      )
      return { append: (record) => Effect.sync(() => void records.push(record)) }
    })
  )
}

// `finally` runs for every evaluation. No failure of an observed hook reaches the evaluation.
const audit = FeatureHook.make("audit", {
  finally: (context, details) =>
    Effect.flatMap(AuditLog, (log) =>
      log.append({
        flagKey: context.flagKey,
        user: context.context.targetingKey ?? "nobody",
        outcome: details.errorCode ?? details.variant ?? "no variant"
      }))
}).pipe(FeatureHook.observe)

// ---------------------------------------------------------------------------------------------------------------------
// Analytics: who saw which variant, sent in batches by a fiber that no evaluation waits for
// ---------------------------------------------------------------------------------------------------------------------

interface Exposure {
  readonly flagKey: string
  readonly variant: string
  readonly millis: number | undefined
}

class Analytics extends Context.Service<Analytics, {
  readonly offer: (exposure: Exposure) => Effect.Effect<boolean>
}>()("examples/Analytics") {
  static readonly layer = Layer.effect(
    Analytics,
    Effect.gen(function*() {
      const queue = yield* Queue.dropping<Exposure, Cause.Done>(100)
      const send = (batch: ReadonlyArray<Exposure>) =>
        Effect.sync(() => {
          const timed = batch.every((exposure) => exposure.millis !== undefined)
          console.log(`analytics: a batch of ${batch.length}${timed ? ", each with its duration" : ""}`)
        })
      const sender = yield* Stream.fromQueue(queue).pipe(
        Stream.grouped(5),
        Stream.runForEach(send),
        Effect.forkScoped
      )
      // At the end of the layer the queue takes no more, and what is in it is sent.
      yield* Effect.addFinalizer(() => Effect.andThen(Queue.end(queue), Fiber.await(sender)))
      return { offer: (exposure) => Queue.offer(queue, exposure) }
    })
  )
}

// TimingHook has put the start of the evaluation into the hints.
const analytics = FeatureHook.make("analytics", {
  after: Effect.fnUntraced(function*(context, details, hints) {
    const { offer } = yield* Analytics
    const elapsed = yield* TimingHook.elapsed(hints)
    yield* offer({
      flagKey: context.flagKey,
      variant: details.variant ?? "no variant",
      millis: Option.isSome(elapsed) ? Duration.toMillis(elapsed.value) : undefined
    })
  })
}).pipe(FeatureHook.observe)

// ---------------------------------------------------------------------------------------------------------------------
// Enrichment: attributes of the user that the flag's targeting needs and the caller does not give
// ---------------------------------------------------------------------------------------------------------------------

class NoSuchUser extends Data.TaggedError("NoSuchUser")<{}> {}

class Users extends Context.Service<Users, {
  readonly find: (id: string) => Effect.Effect<{ readonly plan: string; readonly region: string }, NoSuchUser>
}>()("examples/Users") {
  static readonly layer = Layer.succeed(Users, {
    find: Effect.fnUntraced(function*(id) {
      if (id === "user-3") return yield* new NoSuchUser()
      if (id === "user-4") return yield* Effect.never // the directory does not answer
      return { plan: id === "user-1" ? "pro" : "free", region: "eu" }
    })
  })
}

// Without an answer in time, the evaluation goes on with the attributes of the caller.
const enrichment = FeatureHook.make("enrichment", {
  before: Effect.fnUntraced(function*(context) {
    const { targetingKey } = context.context
    if (targetingKey === undefined) return {}
    const { plan, region } = yield* Effect.flatMap(Users, (users) => users.find(targetingKey))
    return { context: { plan, region } }
  })
}).pipe(
  FeatureHook.timeout("20 millis"),
  FeatureHook.observe
)

// ---------------------------------------------------------------------------------------------------------------------
// Alerting: a message when a flag fails three times in a row
// ---------------------------------------------------------------------------------------------------------------------

const makeAlerting = (alert: (text: string) => Effect.Effect<void>) =>
  Effect.sync(() => {
    const failures = new Map<string, number>()
    return FeatureHook.make("alerting", {
      after: (context) => {
        failures.delete(context.flagKey)
      },
      error: (context, error) => {
        const count = (failures.get(context.flagKey) ?? 0) + 1
        failures.set(context.flagKey, count)
        return count === 3 ? alert(`${context.flagKey} has failed 3 times, last with ${error.code}`) : Effect.void
      }
    }).pipe(
      FeatureHook.when(FlagFilter.not(FlagFilter.prefix("experiment-"))),
      FeatureHook.observe
    )
  })

// ---------------------------------------------------------------------------------------------------------------------
// The application
// ---------------------------------------------------------------------------------------------------------------------

const program = Effect.gen(function*() {
  const flags = yield* FeatureFlags.FeatureFlags
  yield* flags.addHooks(yield* makeAlerting((text) => Effect.sync(() => console.log(`alert: ${text}`))))

  for (const user of ["user-1", "user-2", "user-3", "user-4"]) {
    yield* Effect.gen(function*() {
      const checkout = yield* flags.boolean("new-checkout", false)
      const limit = yield* flags.number("price-limit", 100)
      const banner = yield* flags.string("banner", "")
      yield* flags.boolean("missing", false)
      yield* flags.boolean("experiment-missing", false)
      console.log(`${user}: checkout ${checkout}, limit ${limit}, banner "${banner}"`)
    }).pipe(FeatureFlags.withContext({ targetingKey: user }))
  }
})

const FlagsLive = FeatureFlags.layer({
  domain: "shop",
  provider: Effect.sync(() =>
    new FlagdProvider({
      resolverType: "in-process",
      offlineFlagSourcePath: fileURLToPath(new URL("flags.json", import.meta.url))
    })
  ),
  hooks: [TimingHook.make(), audit, analytics, enrichment]
}).pipe(Layer.provide([AuditLog.layer, Analytics.layer, Users.layer]))

await Effect.runPromise(
  program.pipe(
    Effect.scoped,
    Effect.provide(FlagsLive),
    // The failures of observed hooks are not logged here; demo.ts shows where they can be read.
    Effect.provideService(References.UnhandledLogLevel, undefined)
  )
)
