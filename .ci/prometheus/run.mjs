// Runs the example shop beside a real Prometheus. Everything listens on the loopback only.
import { readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { need, temporary } from "../support.mjs"
import { freePort, start } from "./children.mjs"

const numbers = (text) => text.trim().split(/\s+/).map(Number)

// What the example prints at its end.
const reportOf = (output) => {
  const flags = new Map()
  const errors = new Map()
  for (const [, name, figures] of output.matchAll(/^ {2}(\S+)((?: +\d+)+)$/gm)) {
    const [first, successes, failures] = numbers(figures)
    if (successes === undefined) errors.set(name.toLowerCase(), first)
    else flags.set(name, { requests: first, successes, errors: failures })
  }
  const all = flags.get("all")
  flags.delete("all")
  const p95 = /95 % at most ([\d.]+) ms/.exec(output)
  const seconds = /within ([\d.]+) s/.exec(output)
  if (all === undefined || p95 === null || seconds === null) throw new Error(`cannot read the report\n${output}`)
  return { flags, errors, all, p95: Number(p95[1]) / 1000, seconds: Number(seconds[1]) }
}

/** Prometheus and the shop, from the shop's first visit until Prometheus has its last figures. */
export const run = async ({ visits }, use) => {
  need("prometheus")
  const folder = temporary("prometheus")
  const [port, shopPort] = [await freePort(), await freePort()]
  const url = `http://127.0.0.1:${port}`
  const config = join(folder, "prometheus.yml")
  const template = readFileSync(new URL("prometheus.yml", import.meta.url), "utf8")
  writeFileSync(config, template.replace("SHOP", `127.0.0.1:${shopPort}`))

  const get = async (path, parameters) => {
    const response = await fetch(`${url}/api/v1/${path}?${new URLSearchParams(parameters)}`)
    const body = await response.json()
    if (body.status !== "success") throw new Error(`${parameters.query}: ${body.error}`)
    return body.data.result
  }
  /** The series of an instant: labels and value. */
  const at = async (query, time) =>
    (await get("query", { query, time })).map(({ metric, value }) => ({ labels: metric, value: Number(value[1]) }))
  /** The series of a time: labels and values. */
  const over = async (query, from, to) =>
    (await get("query_range", { query, start: from, end: to, step: 1 })).map(({ metric, values }) => ({
      labels: metric,
      values: values.map(([, value]) => Number(value))
    }))

  const started = []
  try {
    const prometheus = start("prometheus", [
      `--config.file=${config}`,
      `--storage.tsdb.path=${join(folder, "data")}`,
      `--web.listen-address=127.0.0.1:${port}`,
      "--log.level=warn"
    ])
    started.push(prometheus)
    await prometheus.wait(
      "Prometheus is ready",
      20,
      () => fetch(`${url}/-/ready`).then((response) => response.ok, () => false)
    )

    const begin = Date.now() / 1000
    const shop = start(process.execPath, ["--import", "tsx", "examples/otel-prometheus/main.ts"], {
      OTEL_EXPORTER_PROMETHEUS_HOST: "127.0.0.1",
      OTEL_EXPORTER_PROMETHEUS_PORT: String(shopPort),
      OTEL_SERVICE_NAME: "shop",
      SHOP_VISITS: String(visits),
      SHOP_SERVE: "1 minute"
    })
    started.push(shop)
    const output = await shop.wait(
      "the shop is done",
      20 + visits * 0.05,
      (output) => output.includes("the metrics stay up") && output
    )
    const done = Date.now() / 1000
    const end = await shop.wait("the last scrape", 10, async () => {
      const [last] = await at("max(timestamp(feature_flag_evaluation_requests_total))", Date.now() / 1000)
      return last !== undefined && last.value > done && last.value
    })
    return await use({ report: reportOf(output), begin, done, end, at, over, url })
  } finally {
    await Promise.all(started.map((child) => child.stop()))
  }
}
