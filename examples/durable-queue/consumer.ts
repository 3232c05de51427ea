// Takes the records out of the queue, and keeps a line of each in a file.
import * as AuditQueue from "effect-openfeature/audit/AuditQueue"
import { appendFile } from "node:fs/promises"
import { redisStore, redisUrl } from "./store.ts"

const file = process.env["LEDGER"] ?? "ledger.txt"

AuditQueue.startConsumer(
  redisStore(redisUrl()),
  // The identifier is what a database would have as its key, so that a record that comes twice counts once.
  (record, { id }) => appendFile(file, `${id} ${String(record.attributes?.["request"])}\n`),
  { concurrency: 8, renewInterval: "2 seconds" }
)
console.log("the consumer waits")
