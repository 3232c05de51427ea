// Runs the example shop against a real Prometheus and compares what the two say: `node .ci/prometheus.mjs [--install]`.
//
// The questions come from docs/grafana-dashboard.json, so each of its panels is known to have an answer. Needs the
// command `prometheus`; with `--install`, and in CI, it installs Debian's package where it is missing.
import { dashboard } from "./prometheus/dashboard.mjs"
import { run } from "./prometheus/run.mjs"

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

const rows = await run({ visits: 500 }, check)
print(rows)
const differing = rows.filter(({ agree }) => !agree).length
console.log(differing === 0 ? `prometheus: ${rows.length} figures agree` : `prometheus: ${differing} figures differ`)
if (differing > 0) process.exitCode = 1
