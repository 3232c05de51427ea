import { describe, expect, it } from "@effect/vitest"
import { spawn } from "node:child_process"
import { fileURLToPath } from "node:url"

const root = fileURLToPath(new URL("../..", import.meta.url))

interface Result {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

const run = (name: string): Promise<Result> =>
  new Promise((resolve, reject) => {
    const child = spawn(process.execPath, ["--import", "tsx", `examples/${name}.ts`], {
      cwd: root,
      env: { ...process.env, NO_COLOR: "1", NODE_OPTIONS: "--no-deprecation --disable-warning=ExperimentalWarning" },
      stdio: ["ignore", "pipe", "pipe"],
      timeout: 240_000
    })
    let stdout = ""
    let stderr = ""
    child.stdout.on("data", (data) => stdout += String(data))
    child.stderr.on("data", (data) => stderr += String(data))
    child.on("error", reject)
    child.on("close", (code) => resolve({ code, stdout, stderr }))
  })

const output = async (name: string): Promise<string> => {
  const { code, stderr, stdout } = await run(name)
  expect({ code, stderr }, stdout).toEqual({ code: 0, stderr: "" })
  return stdout
}

const lines = (text: string): Array<string> => text.split("\n").map((line) => line.trim())

describe("examples", () => {
  it("plain-sdk: hooks on a client, on the API object, and a hook made safe", async () => {
    const text = await output("plain-sdk")
    expect(lines(text)).toEqual(expect.arrayContaining([
      "new-checkout for user-1: true",
      "new-checkout for nobody: false TARGETING_KEY_MISSING",
      "price-limit succeeded: 1",
      "banner succeeded: 2",
      "loyalty-points failed: 1",
      "banner: \"Welcome to the shop\" no error"
    ]))
    expect(text).toContain("hook \"region\" timed out in its before stage")
    expect(text).toContain("hook \"region\" failed in its after stage")
    expect(text).not.toContain("10.0.0.7")
  })

  it("audit-trail: a line for each evaluation, with what is allowed", async () => {
    const text = await output("audit-trail")
    const records = lines(text).filter((line) => line.startsWith("{")).map((line) => JSON.parse(line))
    expect(records).toMatchObject([
      { seq: 1, flagKey: "new-checkout", variant: "on", attributes: { plan: "pro" } },
      { seq: 2, flagKey: "banner", type: "string" },
      { seq: 3, flagKey: "no-such-flag", errorCode: "FLAG_NOT_FOUND" },
      { seq: 4, errorCode: "TARGETING_KEY_MISSING", rejectedBy: "context-validator.before" }
    ])
    expect(text).not.toMatch(/user-1|example\.com/)
  })

  it("per-evaluation: hooks and hints through options, regions and the plain SDK", async () => {
    expect(lines(await output("per-evaluation"))).toEqual([
      "1. One evaluation of the Effect client",
      "audit 12345: new-checkout = true (on)",
      "new-checkout is true, TARGETING_MATCH",
      "2. Every evaluation in a region of code; a call overrides the hints of the region",
      "audit request-7: price-limit = 1000 (high)",
      "audit banner-1: banner = \"Welcome to the shop\" (welcome)",
      "3. One evaluation of the plain SDK",
      "audit 67890: new-checkout = true (on)",
      "new-checkout is true",
      "4. Without options there is no audit",
      "new-checkout is true",
      ""
    ])
  })

  it("three-levels: API, client, region, call, and back", async () => {
    const text = await output("three-levels")
    const [succeeded, failed, rejected] = text.split(/^(?=\S+ for plan)/m).map(lines)
    expect(succeeded).toEqual(expect.arrayContaining([
      "new-checkout for plan pro: true, no error",
      "before  api -> client -> region -> call",
      "after   call -> region -> client -> api",
      "error   -",
      "finally call -> region -> client -> api"
    ]))
    expect(failed).toEqual(expect.arrayContaining([
      "loyalty-points for plan pro: false, GENERAL",
      "before  api -> client -> region -> call",
      "after   -",
      "error   call -> region -> client -> api",
      "finally call -> region -> client -> api"
    ]))
    expect(rejected).toEqual(expect.arrayContaining([
      "new-checkout for plan pro: false, GENERAL",
      "before  api -> client -> region",
      "after   -",
      "error   call -> region -> client -> api",
      "finally call -> region -> client -> api"
    ]))
    expect(text).toContain("hook \"closed\" failed in its before stage")
    expect(text).not.toContain("the shop is closed")
  })

  for (const framework of ["express", "fastify", "nest"]) {
    it(`${framework}: the request is the context, and no hook is left after the close`, async () => {
      const [...printed] = lines(await output(framework))
      const counts = printed.splice(6)
      expect(printed).toEqual([
        "user-1: new-checkout is on",
        "200: the new checkout",
        "user-2: new-checkout is off",
        "200: the old checkout",
        "nobody: new-checkout is TARGETING_KEY_MISSING",
        "200: the old checkout"
      ])
      expect(counts.join("\n")).toMatch(
        /^hooks while the (server|application) runs: 1\nhooks after it has closed: 0\n$/
      )
    })
  }

  it("cache-invalidation: a page is made again when a flag has changed for its user", async () => {
    const printed = lines(await output("cache-invalidation"))
    expect(printed.filter((line) => line.startsWith("user-1: "))).toEqual([
      "user-1: Welcome to the shop, up to 100",
      "user-1: Welcome to the shop, up to 100",
      "user-1: Welcome to the shop, up to 1000"
    ])
    expect(printed).toEqual(expect.arrayContaining([
      "price-limit of user-1: low -> high, its page is out of date",
      "3. 3 pages made for 6 requests"
    ]))
  })

  it("notifications: alerts and records in batches, in the background", async () => {
    const printed = lines(await output("notifications"))
    expect(printed).toEqual(expect.arrayContaining([
      "missing serves its default value: FLAG_NOT_FOUND",
      "loyalty-points serves its default value: GENERAL",
      "price-limit has changed for a user: low -> high",
      "analytics: 12 records in one request",
      "6 evaluations served a default value, 12 of 12 records delivered"
    ]))
  })

  it("custom-hooks: audit, analytics, enrichment and alerting", async () => {
    const printed = lines(await output("custom-hooks"))
    expect(printed).toEqual(expect.arrayContaining([
      "user-1: checkout true, limit 1000, banner \"Sale: 20 % off\"",
      "user-3: checkout false, limit 100, banner \"Welcome to the shop\"",
      "user-4: checkout false, limit 100, banner \"Welcome to the shop\"",
      "audit: 20 records",
      "user-1: new-checkout -> on",
      "user-4: missing -> FLAG_NOT_FOUND"
    ]))
    expect(printed.filter((line) => line.includes(" -> "))).toHaveLength(20)
    expect(printed.filter((line) => line.startsWith("alert: "))).toEqual([
      "alert: missing has failed 3 times, last with FLAG_NOT_FOUND"
    ])
    const batches = printed.flatMap((line) => /^analytics: a batch of (\d+)/.exec(line)?.[1] ?? [])
    expect(batches).toEqual(["5", "5", "2"])
  })
})

describe("demo", () => {
  it("draws the order, and its totals add up", async () => {
    const text = await output("demo")
    const row = (stage: string) =>
      new RegExp(`^ +${stage} +(.*)$`, "m").exec(text)?.[1]?.replace(/ ?[-<>]+ ?/g, " ").trim()
    expect(row("before")).toBe("1 2 3 4 5 flagd")
    expect(row("after")).toBe("6")
    expect(row("finally")?.split(/\s+/)).toEqual(["8", "7"])

    const metrics = Array.from(text.matchAll(/^ {3}(\S+) +(\S+) +(\S+) +(\S+) +(\d+)$/gm))
    const counted = metrics.reduce((total, [, , , , , count]) => total + Number(count), 0)
    expect(counted).toBe(300)
    expect(new Set(metrics.map(([, flagKey]) => flagKey))).toEqual(
      new Set(["new-checkout", "price-limit", "banner", "checkout-config", "loyalty-points"])
    )

    expect(lines(text)).toEqual(expect.arrayContaining([
      "hook \"enrich\" timed out in its before stage: 10 times",
      "hook \"audit\" failed in its finally stage: 25 times",
      "yes  300 evaluations = 300 results",
      "yes  300 evaluations = 300 counted by the metrics",
      "yes  300 evaluations = 275 audited + 25 audits that failed",
      "yes  48 errors in the metrics = 48 in the results",
      "yes  35 failures of hooks = 35 read from the stream + 0 dropped"
    ]))
    expect(text).not.toContain("NO ")
    expect(text).not.toContain("the disk is full")
    expect(text.split("\n").length).toBeLessThan(80)
  })

  it("plugins: hooks from a folder, one of them bad, and loaded anew", async () => {
    const text = await output("plugins/main")
    expect(lines(text)).toEqual(expect.arrayContaining([
      "region 1.0.0",
      "audit 2.1.0",
      "30-broken.mjs: Invalid",
      "sale: true",
      "changed: region unchanged: audit failures: 0",
      "sale: false"
    ]))
    expect(text).toContain("audit closes after 2 records")
  })
})
