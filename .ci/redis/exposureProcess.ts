// A process that exposes the same users as another one. It prints the identifiers of what it has sent.
import * as NodeRedis from "@effect/platform-node/NodeRedis"
import { ExposureHook } from "effect-openfeature"
import { RedisExposureStore } from "effect-openfeature/redis"

const { store, close } = RedisExposureStore.start(
  NodeRedis.layer({ url: process.env["REDIS_URL"] ?? "", disableOfflineQueue: true }),
  { prefix: process.env["PREFIX"] }
)
const exposures = ExposureHook.start({
  store,
  timeout: "5 seconds",
  automatic: false,
  targetingKey: "raw",
  send: async (batch) => {
    for (const { subject } of batch) console.log(`sent ${subject}`)
  }
})
for (let i = 0; i < 500; i++) {
  exposures.expose({ flagKey: "sale", variant: "on", value: true }, { targetingKey: `user-${i}` })
}
await exposures.flush()
const { delivered, suppressed } = exposures.counts()
await exposures.close()
await close()
console.log(`done ${delivered} ${suppressed}`)
