// A process that exposes users, and stores the exposures in a queue. It tells when all of them are stored.
import { Schedule } from "effect"
import { ExposureHook } from "effect-openfeature"
import { ExposureQueue } from "effect-openfeature/redis"
import { redisStore } from "../../examples/durable-queue/store.ts"

const [url = "", name = "", from = "0", to = "0"] = process.argv.slice(2)
const queue = ExposureQueue.start(redisStore(url), { name })
const exposures = ExposureHook.start({
  automatic: false,
  targetingKey: "raw",
  maxSize: 20,
  maxWait: 50,
  retry: Schedule.spaced("200 millis"),
  send: queue.send
})
for (let user = Number(from); user < Number(to); user++) {
  exposures.expose({ flagKey: "sale", variant: "on", value: true }, { targetingKey: `user-${user}` })
  await new Promise((resolve) => setTimeout(resolve, 5))
}
await exposures.flush()
await exposures.close()
await queue.close()
console.log(`stored ${exposures.counts().delivered}`)
