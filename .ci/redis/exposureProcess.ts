// A process that exposes the same users as another one. It prints the identifiers of what it has sent.
import { ExposureHook } from "effect-openfeature"
import { RedisExposureStore } from "effect-openfeature/redis"
import { redisConnection } from "../../examples/durable-queue/store.ts"

const [url = "", prefix = "", order = "", start = "0"] = process.argv.slice(2)
const { close, store } = RedisExposureStore.start(redisConnection(url), { prefix })
const exposures = ExposureHook.start({
  store,
  timeout: "5 seconds",
  automatic: false,
  targetingKey: "raw",
  maxSize: 10,
  send: async (batch) => {
    await new Promise((resolve) => setTimeout(resolve, 5))
    for (const { subject } of batch) console.log(`sent ${subject}`)
  }
})
// By then it is connected.
exposures.expose({ flagKey: "sale", variant: "on", value: true }, { targetingKey: `process-${process.pid}` })
await exposures.flush()
// Both begin at the same time, from either end.
await new Promise((resolve) => setTimeout(resolve, Number(start) - Date.now()))
for (let i = 0; i < 500; i++) {
  const user = order === "up" ? i : 499 - i
  exposures.expose({ flagKey: "sale", variant: "on", value: true }, { targetingKey: `user-${user}` })
}
await exposures.flush()
const { delivered, suppressed } = exposures.counts()
await exposures.close()
await close()
console.log(`done ${delivered} ${suppressed}`)
