// The queue in Redis, for both processes.
import * as NodeRedis from "@effect/platform-node/NodeRedis"
import { Layer, References } from "effect"
import type * as AuditQueue from "effect-openfeature/audit/AuditQueue"
import { PersistedQueue } from "effect/persistence"

export const redisStore = (url: string): AuditQueue.Store<unknown> =>
  PersistedQueue.layer.pipe(
    Layer.provide(PersistedQueue.layerStoreRedis({
      prefix: "audit:",
      pollInterval: "50 millis",
      // The records of a consumer that was killed come back after this time. The default is 90 seconds.
      lockExpiration: "2 seconds",
      lockRefreshInterval: "500 millis"
    })),
    Layer.provide(NodeRedis.layer({
      url,
      // Otherwise, a command waits for ever while Redis is away.
      disableOfflineQueue: true,
      commandOptions: { timeout: 100 }
    })),
    // Redis is killed here on purpose, so each lost connection need not be logged.
    Layer.provide(Layer.succeed(References.MinimumLogLevel, "None"))
  )

/** Where Redis is. */
export const redisUrl = (): string => process.env["REDIS_URL"] ?? "redis://127.0.0.1:6379"
