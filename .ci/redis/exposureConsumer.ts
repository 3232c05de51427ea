// Takes exposures out of the queue, and keeps a line of each in a file, before it has done with it.
import { ExposureQueue } from "effect-openfeature/redis"
import { appendFile } from "node:fs/promises"
import { redisStore } from "../../examples/durable-queue/store.ts"

const [url = "", name = "", ledger = ""] = process.argv.slice(2)
ExposureQueue.startConsumer(redisStore(url), async ({ id, subject }, delivery) => {
  await appendFile(ledger, `${id} ${subject} ${delivery.id}\n`)
  await new Promise((resolve) => setTimeout(resolve, 20))
}, { name, concurrency: 8, renewInterval: "2 seconds" })
console.log("the consumer waits")
