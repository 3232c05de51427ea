// Runs the example shop against a real Prometheus and compares what the two say: `node .ci/prometheus.mjs`.
//
// The questions come from docs/grafana-dashboard.json, so each of its panels is known to have an answer. Needs the
// command `prometheus`, and installs Debian's package where it is missing. Everything listens on the loopback only.
import { spawn } from "node:child_process"
import { existsSync, readFileSync, writeFileSync } from "node:fs"
import { createServer } from "node:net"
import { join } from "node:path"
import { setTimeout as sleep } from "node:timers/promises"
import { pathToFileURL } from "node:url"
import { environment, execute, must, root, temporary } from "./shared.mjs"

/** Installs a Debian package, named like its command, where the command is missing. */
export const install = (command) => {
  if (execute("which", [command]).ok) return
  const asRoot = (line) => {
    const words = process.getuid() === 0 ? line : ["sudo", "-n", ...line]
    must(words[0], words.slice(1), { env: { DEBIAN_FRONTEND: "noninteractive" } })
  }
  console.log(`installing ${command}`)
  const apt = ["apt-get", "-q", "-o", "DPkg::Lock::Timeout=120"]
  asRoot([...apt, "update"])
  asRoot([...apt, "install", "-y", "--no-install-recommends", command])
  // The package starts a service of its own where there is systemd.
  if (command === "prometheus" && existsSync("/run/systemd/system")) {
    asRoot(["systemctl", "disable", "--now", "prometheus"])
  }
}

const freePort = () =>
  new Promise((resolve, reject) => {
    const server = createServer().once("error", reject)
    server.listen(0, "127.0.0.1", () => {
      const { port } = server.address()
      server.close(() => resolve(port))
    })
  })

/** Asks again until there is an answer. */
const until = async (what, seconds, ask) => {
  const end = Date.now() + seconds * 1000
  for (;;) {
    const answer = await ask()
    if (answer) return answer
    if (Date.now() > end) throw new Error(`waited ${seconds} s in vain for ${what}`)
    await sleep(100)
  }
}

const children = new Set()
process.on("exit", () => {
  for (const child of children) child.kill("SIGKILL")
})

const start = (command, args, env = {}) => {
  const child = spawn(command, args, {
    cwd: root,
    env: { ...environment, NO_COLOR: "1", ...env },
    stdio: ["ignore", "pipe", "pipe"]
  })
  const state = { output: "", hasEnded: false }
  children.add(child)
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (data) => state.output += String(data))
  const ended = new Promise((resolve) => {
    child.once("error", (error) => {
      state.output += error.message
      resolve()
    })
    child.once("close", resolve)
  }).then(() => {
    state.hasEnded = true
    children.delete(child)
  })
  /** Waits for something of the child, in vain once the child has ended. */
  const wait = (what, seconds, ask) =>
    until(what, seconds, () => {
      if (state.hasEnded) throw new Error(`${command} has ended before ${what}\n${state.output}`)
      return ask(state.output)
    })
  const stop = async () => {
    child.kill("SIGTERM")
    if (await Promise.race([ended, sleep(3000, "late", { ref: false })]) === "late") child.kill("SIGKILL")
    await ended
  }
  return { wait, stop }
}

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
  install("prometheus")
  const folder = temporary("prometheus")
  const [port, shopPort] = [await freePort(), await freePort()]
  const url = `http://127.0.0.1:${port}`
  const config = join(folder, "prometheus.yml")
  writeFileSync(
    config,
    [
      "global:",
      "  scrape_interval: 1s",
      "  scrape_timeout: 1s",
      "scrape_configs:",
      "  - job_name: shop",
      "    static_configs:",
      `      - targets: ["127.0.0.1:${shopPort}"]`,
      ""
    ].join("\n")
  )

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

/** The targets of the dashboard's panels. */
export const dashboard = () => {
  const { panels } = JSON.parse(readFileSync(join(root, "docs", "grafana-dashboard.json"), "utf8"))
  const targets = panels.flatMap(({ targets, title }) => targets.map((target) => ({ ...target, title })))
  /** What Grafana would ask, with every job and flag. */
  const query = ({ expr }, window) => {
    const asked = expr.replaceAll("$__rate_interval", window).replaceAll(/\$(job|flag)\b/g, ".*")
    if (asked.includes("$")) throw new Error(`unknown variable in ${asked}`)
    return asked
  }
  const find = (title, refId = "A") => {
    const target = targets.find((target) => target.title === title && target.refId === refId)
    if (target === undefined) throw new Error(`the dashboard has no query ${refId} in a panel "${title}"`)
    return target
  }
  return { targets, query, find }
}

const check = async ({ at, begin, done, end, over, report }) => {
  const { find, query, targets } = dashboard()
  const rows = []
  const compare = (figure, shop, prometheus, agree) => rows.push({ figure, shop, prometheus, agree })
  const exact = (figure, shop, prometheus) => compare(figure, shop, prometheus, shop === prometheus)
  const byFlag = (series) => new Map(series.map(({ labels, value }) => [labels.feature_flag_key, value]))
  const one = (series) => series.length === 1 ? series[0].value : Number.NaN
  const fixed = (value, digits) => Number(value.toFixed(digits))

  // Totals, once the shop is done
  const totals = async (refId) => byFlag(await at(query(find("Totals by flag", refId)), end))
  const [requests, successes, errors, ratios] = await Promise.all(["A", "B", "C", "D"].map(totals))
  exact("flags", report.flags.size, requests.size)
  for (const [flag, counts] of report.flags) {
    exact(`${flag}: requests`, counts.requests, requests.get(flag))
    exact(`${flag}: successes`, counts.successes, successes.get(flag) ?? 0)
    exact(`${flag}: errors`, counts.errors, errors.get(flag) ?? 0)
    exact(`${flag}: error ratio`, counts.errors / counts.requests, ratios.get(flag))
  }
  exact(
    "error ratio",
    report.all.errors / report.all.requests,
    one(await at(query(find("Error ratio since the start")), end))
  )

  // Per second, in the middle of the run, which is not quite as fast all the time
  const window = "6s"
  const during = done - 1
  const near = (figure, shop, prometheus) =>
    compare(figure, fixed(shop, 2), fixed(prometheus, 2), prometheus > shop / 2 && prometheus < shop * 2)
  const rates = byFlag(await at(query(find("Requests per second by flag"), window), during))
  for (const [flag, counts] of report.flags) {
    near(`${flag}: requests per second`, counts.requests / report.seconds, rates.get(flag) ?? 0)
  }
  const byType = await at(query(find("Errors per second by type"), window), during)
  const types = new Map(byType.map(({ labels, value }) => [labels.error_type, value]))
  for (const [type, count] of report.errors) {
    near(`${type}: errors per second`, count / report.seconds, types.get(type) ?? 0)
  }
  near(
    "error ratio in these seconds",
    report.all.errors / report.all.requests,
    one(await at(query(find("Error ratio"), window), during))
  )

  // Durations: a percentile is as exact as the buckets. The shop's own figure has a little around the hook in it.
  const p95 = one(await at(query(find("95th percentile of the duration"), "1m"), end))
  const buckets = await at("group by (le) (feature_flag_evaluation_duration_bucket)", end)
  const edges = [0, ...buckets.map(({ labels }) => Number(labels.le.replace("+Inf", "Infinity"))).sort((a, b) => a - b)]
  const low = edges.findLast((edge) => edge < report.p95 * 0.9)
  const high = edges.find((edge) => edge >= report.p95)
  compare("95th percentile in seconds", `${report.p95} (${low} to ${high})`, fixed(p95, 5), p95 > low && p95 <= high)

  // Active evaluations
  const active = find("Active evaluations by flag")
  const left = byFlag(await at(query(active), end))
  for (const flag of report.flags.keys()) exact(`${flag}: active at the end`, 0, left.get(flag))
  const [{ values }] = await over(query(find("Active evaluations")), begin, done)
  compare("most active during the run", "> 0", Math.max(...values), Math.max(...values) > 0)

  // Every query has an answer, with the labels of its legend
  for (const target of targets) {
    const series = await over(query(target, window), begin, end)
    const labels = Array.from((target.legendFormat ?? "").matchAll(/\{\{(\w+)\}\}/g), ([, label]) => label)
    compare(
      `panel "${target.title}" ${target.refId}`,
      ["an answer", ...labels].join(" "),
      `${series.length} series`,
      series.some(({ values }) => values.some(Number.isFinite)) &&
        labels.every((label) => series.every((one) => one.labels[label] !== undefined))
    )
  }
  return rows
}

const print = (rows) => {
  const lines = [
    ["figure", "the shop", "Prometheus", ""],
    ...rows.map(({ agree, figure, prometheus, shop }) => [figure, shop, prometheus, agree ? "agree" : "DIFFER"])
  ].map((line) => line.map(String))
  const widths = lines[0].map((_, column) => Math.max(...lines.map((line) => line[column].length)))
  for (const line of lines) console.log(line.map((cell, column) => cell.padEnd(widths[column])).join("  ").trimEnd())
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) {
  const rows = await run({ visits: 500 }, check)
  print(rows)
  const differing = rows.filter(({ agree }) => !agree).length
  console.log(differing === 0 ? `prometheus: ${rows.length} figures agree` : `prometheus: ${differing} figures differ`)
  if (differing > 0) process.exitCode = 1
}
