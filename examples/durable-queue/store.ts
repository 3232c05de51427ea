// The queue in Redis, for both processes.
import * as NodeRedis from "@effect/platform-node/NodeRedis"
import { Layer, References } from "effect"
import type * as AuditQueue from "effect-openfeature/audit/AuditQueue"
import { PersistedQueue, type Redis } from "effect/persistence"

/** The connection to Redis. */
export const redisConnection = (url: string, commandTimeout?: number): Layer.Layer<Redis.Redis, unknown> =>
  NodeRedis.layer({
    url,
    // Otherwise, a command waits for ever while Redis is away.
    disableOfflineQueue: true,
    ...commandTimeout === undefined ? undefined : { commandOptions: { timeout: commandTimeout } }
  }).pipe(
    // Redis is killed here on purpose, so each lost connection need not be logged.
    Layer.provide(Layer.succeed(References.MinimumLogLevel, "None"))
  )

export const redisStore = (url: string): AuditQueue.Store<unknown> =>
  PersistedQueue.layer.pipe(
    Layer.provide(PersistedQueue.layerStoreRedis({
      prefix: "audit:",
      pollInterval: "50 millis",
      // The records of a consumer that was killed come back after this time. The default is 90 seconds.
      lockExpiration: "2 seconds",
      lockRefreshInterval: "500 millis"
    })),
    Layer.provide(redisConnection(url, 100))
  )

/** Where Redis is. */
export const redisUrl = (): string => process.env["REDIS_URL"] ?? "redis://127.0.0.1:6379"
