/** The Redis of a test file, which hangs and dies on demand. */
import { freePort, type Process, startRedis } from "../../examples/durable-queue/processes.ts"

export interface Outage {
  readonly name: "hangs" | "dies"
  readonly begin: () => Promise<void>
  readonly end: () => Promise<void>
}

export interface TestRedis {
  readonly url: string
  /** Whether nobody else uses it. */
  readonly isOwn: boolean
  /** None for a Redis that others may use. */
  readonly outages: ReadonlyArray<Outage>
  readonly close: () => Promise<void>
}

/** Starts Redis, unless `REDIS_URL` names one. */
export const testRedis = async (): Promise<TestRedis> => {
  const given = process.env["REDIS_URL"]
  if (given !== undefined) return { url: given, isOwn: false, outages: [], close: async () => undefined }
  const port = await freePort()
  let redis: Process = await startRedis(port)
  const restart = async () => {
    redis = await startRedis(port)
  }
  return {
    url: `redis://127.0.0.1:${port}`,
    isOwn: true,
    outages: [
      { name: "hangs", begin: async () => redis.pause(), end: async () => redis.resume() },
      { name: "dies", begin: async () => redis.kill(), end: restart }
    ],
    close: async () => redis.kill()
  }
}

export interface Times {
  readonly evaluations: number
  /** The evaluations that took more than 25 milliseconds, so that they waited for something. */
  readonly waited: number
  /** In milliseconds. */
  readonly longest: number
}

/** Evaluates every 5 milliseconds for a second. */
export const measure = async (evaluate: () => Promise<unknown>): Promise<Times> => {
  let evaluations = 0
  let waited = 0
  let longest = 0
  for (const end = performance.now() + 1000; performance.now() < end;) {
    const started = performance.now()
    await evaluate()
    const took = performance.now() - started
    evaluations++
    if (took > 25) waited++
    longest = Math.max(longest, took)
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
  return { evaluations, waited, longest }
}

export const printed = ({ evaluations, longest, waited }: Times): string =>
  `${longest.toFixed(1)} ms (${waited} of ${evaluations} waited)`
