// Two instances of a web server on one Redis, under load. At the end, what they counted adds up.
import autocannon from "autocannon"
import { bundled, freePort, start, startRedis } from "../durable-queue/processes.ts"
import { budget, limit, users } from "./settings.ts"

const requests = 2000

const given = process.env["REDIS_URL"]
const redisPort = await freePort()
if (given === undefined) await startRedis(redisPort)
const file = await bundled(new URL("server.ts", import.meta.url))
const ports = [await freePort(), await freePort()]
const environment = {
  REDIS_URL: given ?? `redis://127.0.0.1:${redisPort}`,
  // So that a Redis that others use as well does not mix up two runs.
  PREFIX: `shop-${Date.now().toString(36)}:`
}
const started = performance.now()
await Promise.all(
  ports.map((port) => start(process.execPath, [file], "the server listens", { ...environment, PORT: String(port) }))
)

const load = await Promise.all(ports.map((port) =>
  autocannon({
    url: `http://127.0.0.1:${port}`,
    amount: requests,
    connections: 20,
    requests: users.map((user) => ({ path: `/?user=${user}` }))
  })
))
const seconds = (performance.now() - started) / 1000

interface Figures {
  readonly answers: Readonly<Record<"served" | "limited" | "other", number>>
  readonly limit: Readonly<Record<"passed" | "limited" | "unchecked", number>>
  readonly usage: Readonly<Record<"counted" | "used", number>> & { readonly thresholds: ReadonlyArray<number> }
  readonly cache: Readonly<Record<"hits" | "stale" | "shared" | "misses" | "errors", number>>
  readonly calls: number
}
const figures: ReadonlyArray<Figures> = await Promise.all(
  ports.map(async (port) => (await fetch(`http://127.0.0.1:${port}/figures`)).json())
)

const each = (of: (figures: Figures, index: number) => number) => {
  const values = figures.map(of)
  return { "instance 1": values[0] ?? 0, "instance 2": values[1] ?? 0, both: values.reduce((sum, one) => sum + one, 0) }
}
const rows = {
  requests: each((_, index) => load[index]?.requests.total ?? 0),
  served: each(({ answers }) => answers.served),
  "over the limit": each(({ answers }) => answers.limited),
  "anything else": each(({ answers }) => answers.other),
  "answers 200": each((_, index) => load[index]?.["2xx"] ?? 0),
  "answers 429": each((_, index) => load[index]?.["4xx"] ?? 0),
  "cache: hits": each(({ cache }) => cache.hits),
  "cache: shared with another evaluation": each(({ cache }) => cache.shared),
  "cache: misses": each(({ cache }) => cache.misses),
  "calls of the provider": each(({ calls }) => calls),
  "budget: counted": each(({ usage }) => usage.counted)
}
console.table(rows)

const used = Math.max(...figures.map(({ usage }) => usage.used))
const thresholds = figures.flatMap(({ usage }) => usage.thresholds)
const most = users.length * (limit.burst + Math.ceil(seconds))
const requested = rows.requests.both
const both = (name: keyof typeof rows): number => rows[name].both

const checks: ReadonlyArray<readonly [text: string, isTrue: boolean]> = [
  [
    `${requested} requests = ${both("served")} served + ${both("over the limit")} over the limit`,
    requested === both("served") + both("over the limit") && requested === 2 * requests
  ],
  [
    `${both("answers 200")} answers 200 and ${both("answers 429")} answers 429, as the load saw them`,
    both("answers 200") === both("served") && both("answers 429") === both("over the limit")
  ],
  [
    `${both("served")} served, at most ${most} allowed, and at least ${users.length * limit.burst}`,
    both("served") <= most && both("served") >= users.length * limit.burst
  ],
  [
    `${both("served")} served = ${both("cache: hits")} hits + ${
      both("cache: shared with another evaluation")
    } shared + ${both("cache: misses")} misses`,
    both("served") ===
      both("cache: hits") + both("cache: shared with another evaluation") + both("cache: misses")
  ],
  [
    `${both("cache: misses")} misses = ${both("calls of the provider")} calls of the provider`,
    both("cache: misses") === both("calls of the provider")
  ],
  [
    `${both("calls of the provider")} calls of the provider for ${users.length} users`,
    both("calls of the provider") >= users.length && both("calls of the provider") <= 2 * users.length
  ],
  [`${both("served")} served = ${used} used of the budget of ${budget.budget}`, both("served") === used],
  [`one alert of both instances, at half of the budget`, thresholds.length === 1 && thresholds[0] === 0.5]
]
for (const [text, isTrue] of checks) console.log(`${isTrue ? "yes" : "NO "}  ${text}`)
process.exit(checks.every(([, isTrue]) => isTrue) ? 0 : 1)
