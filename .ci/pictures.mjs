// Takes pictures of Prometheus' own page after the example shop has run, for docs/images: `node .ci/pictures.mjs`.
//
// Needs the commands `prometheus` and `chromium`; with `--install`, and in CI, it installs Debian's packages where they
// are missing.
import { mkdirSync, statSync } from "node:fs"
import { join } from "node:path"
import { dashboard } from "./prometheus/dashboard.mjs"
import { run } from "./prometheus/run.mjs"
import { must, need, root, temporary } from "./support.mjs"

const pictures = [
  { file: "prometheus-requests.png", panel: "Requests per second by flag", isStacked: true, height: 980 },
  { file: "prometheus-errors.png", panel: "Errors per second by type", isStacked: true, height: 910 },
  { file: "prometheus-duration.png", panel: "95th percentile of the duration by flag", inMillis: true, height: 980 }
]
const limit = 150_000

need("chromium")
const folder = join(root, "docs", "images")
mkdirSync(folder, { recursive: true })

// Without what makes the queries fit everywhere: Grafana's variables, and the name with a unit that other exporters use.
const plain = (query) =>
  query.replaceAll(/(, )?(job|feature_flag_key)=~"\.\*"/g, "").replaceAll("{}", "")
    .replaceAll(/\{__name__=~"(\w+)\(_seconds\)\?(\w+)"\}/g, "$1$2")

await run({ visits: 1500 }, ({ begin, url }) => {
  const { find, query } = dashboard()
  for (const { file, height, inMillis, isStacked, panel } of pictures) {
    const page = new URL("/graph", url)
    page.search = new URLSearchParams({
      "g0.expr": `${inMillis ? "1000 * " : ""}${plain(query(find(panel), "5s"))}`,
      "g0.tab": "0",
      "g0.stacked": isStacked ? "1" : "0",
      "g0.range_input": `${Math.ceil(Date.now() / 1000 - begin)}s`,
      "g0.step_input": "1"
    }).toString()
    const path = join(folder, file)
    const dom = must("chromium", [
      "--headless=new",
      "--no-sandbox",
      "--disable-gpu",
      "--hide-scrollbars",
      `--user-data-dir=${temporary("chromium")}`,
      `--window-size=1200,${height}`,
      "--virtual-time-budget=10000",
      `--screenshot=${path}`,
      "--dump-dom",
      page.href
    ], { timeout: 60_000 })
    const [, series] = /Total time series: (\d+)/.exec(dom) ?? []
    const { size } = statSync(path)
    console.log(`${file}: ${panel}, ${series} series, ${Math.round(size / 1000)} kB`)
    if (!(series > 0)) throw new Error(`${file} shows nothing`)
    if (size > limit) throw new Error(`${file} is larger than ${limit / 1000} kB`)
  }
})
