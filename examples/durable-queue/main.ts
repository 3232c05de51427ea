// A web server under load puts audit records into a queue, and another process takes them out. The server, the consumer
// and Redis are killed again and again. At the end, no acknowledged record is missing, and none counts twice.
import { readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { setTimeout as sleep } from "node:timers/promises"
import { bundled, folder, freePort, start, startRedis } from "./processes.ts"

const rounds = 3

const ledger = join(folder, "ledger.txt")
writeFileSync(ledger, "")
const [redisPort, port] = [await freePort(), await freePort()]
const given = process.env["REDIS_URL"]
const env = { REDIS_URL: given ?? `redis://127.0.0.1:${redisPort}`, PORT: String(port), LEDGER: ledger }

const [serverFile, consumerFile] = await Promise.all([
  bundled(new URL("server.ts", import.meta.url)),
  bundled(new URL("consumer.ts", import.meta.url))
])
const startServer = () => start(process.execPath, [serverFile], "the server listens", env)
const startConsumer = () => start(process.execPath, [consumerFile], "the consumer waits", env)

let redis = given === undefined ? await startRedis(redisPort) : undefined
let [server, consumer] = await Promise.all([startServer(), startConsumer()])

const audited = new Set<string>()
const figures = { requests: 0, answered: 0, withoutAnswer: 0, slowest: 0 }
const load = new AbortController()
// So that a Redis that others use as well does not mix up two runs.
const run = Date.now().toString(36)

const request = async (): Promise<void> => {
  const id = `/${run}-${++figures.requests}`
  const started = performance.now()
  try {
    const response = await fetch(`http://127.0.0.1:${port}${id}`, { signal: AbortSignal.timeout(5000) })
    const { isAudited } = JSON.parse(await response.text())
    figures.answered++
    figures.slowest = Math.max(figures.slowest, performance.now() - started)
    if (isAudited === true) audited.add(id)
  } catch {
    // The server is dead. What it did not answer is not acknowledged either.
    figures.withoutAnswer++
    await sleep(50)
  }
}
const clients = Promise.all(Array.from({ length: 8 }, async () => {
  while (!load.signal.aborted) {
    await request()
    await sleep(10)
  }
}))

const kills = { server: 0, consumer: 0, redis: 0 }
for (let round = 1; round <= rounds; round++) {
  await sleep(700)
  await server.kill()
  kills.server++
  await consumer.kill()
  kills.consumer++
  ;[server, consumer] = await Promise.all([startServer(), startConsumer()])
  await sleep(700)
  if (redis === undefined) continue
  await redis.kill()
  await sleep(300)
  redis = await startRedis(redisPort)
  kills.redis++
}
await sleep(700)
load.abort()
await clients

/** The lines of the ledger: identifier and request. */
const consumed = (): ReadonlyArray<readonly [id: string, request: string]> =>
  readFileSync(ledger, "utf8").split("\n").flatMap((line) => {
    const [id, request] = line.split(" ")
    return id === undefined || !request?.startsWith(`/${run}-`) ? [] : [[id, request] as const]
  })
const missing = (): number => {
  const found = new Set(consumed().map(([, request]) => request))
  return Array.from(audited).filter((id) => !found.has(id)).length
}
for (let i = 0; i < 100 && missing() > 0; i++) await sleep(100)
// Late ones would be seen here.
await sleep(500)

const lines = consumed()
const byId = new Map(lines)
const twice = byId.size - new Set(byId.values()).size
console.log(
  `killed: the server ${kills.server} times, the consumer ${kills.consumer} times, Redis ${kills.redis} times`
)
console.log(`${figures.requests} requests, ${figures.answered} answered, ${figures.withoutAnswer} without an answer`)
console.log(`slowest answer: ${Math.round(figures.slowest)} ms, with a bound of 500 ms for the audit`)
console.log(`${audited.size} records acknowledged, ${lines.length} delivered, ${byId.size} by identifier`)
console.log(`${lines.length - byId.size} delivered more than once, ${twice} counted twice`)
console.log(`${missing()} acknowledged records lost`)
process.exit(missing() === 0 && twice === 0 && audited.size > 0 ? 0 : 1)
