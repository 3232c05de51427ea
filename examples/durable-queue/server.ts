// A web server that evaluates a flag for each request, and tells whether the audit record is safe.
import { InMemoryProvider, OpenFeature } from "@openfeature/server-sdk"
import { Effect } from "effect"
import { AuditHook, type AuditSink, OpenFeatureHook } from "effect-openfeature"
import * as AuditQueue from "effect-openfeature/audit/AuditQueue"
import { createServer } from "node:http"
import { redisStore, redisUrl } from "./store.ts"

await OpenFeature.setProviderAndWait(
  new InMemoryProvider({
    "new-checkout": { variants: { on: true, off: false }, defaultVariant: "on", disabled: false }
  })
)

const queue = AuditQueue.start(redisStore(redisUrl()), { guarantee: "stored", timeout: "500 millis" })

// What the store has acknowledged, until the response has told it.
const acknowledged = new Set<unknown>()
const sink: AuditSink.AuditSink = {
  append: (record) =>
    Effect.tap(queue.append(record), () => Effect.sync(() => acknowledged.add(record.attributes?.["request"])))
}

const client = OpenFeature.getClient()
client.addHooks(OpenFeatureHook.make(AuditHook.make(sink, { context: ["request"] })))

const server = createServer((request, response) => {
  const id = request.url ?? "/"
  void client.getBooleanValue("new-checkout", false, { request: id }).then((value) => {
    response.end(JSON.stringify({ value, isAudited: acknowledged.delete(id) }))
  })
})
server.listen(Number(process.env["PORT"] ?? 0), "127.0.0.1", () => {
  console.log("the server listens")
})
