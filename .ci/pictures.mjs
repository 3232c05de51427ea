// Takes pictures of Prometheus' own page after the example shop has run, for docs/images: `node .ci/pictures.mjs`.
// One of them shows the page for each panel of the Grafana dashboard, in the order of the dashboard.
//
// Needs the commands `prometheus` and `chromium`; with `--install`, and in CI, it installs Debian's packages where they
// are missing.
import { mkdirSync, statSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { dashboard } from "./prometheus/dashboard.mjs"
import { run } from "./prometheus/run.mjs"
import { must, need, root, temporary } from "./support.mjs"

const pictures = [
  { file: "prometheus-requests.png", panel: "Requests per second by flag", isStacked: true, height: 980 },
  { file: "prometheus-duration.png", panel: "95th percentile of the duration by flag", inMillis: true, height: 980 }
]
const limit = 300_000

need("chromium")
const folder = join(root, "docs", "images")
mkdirSync(folder, { recursive: true })

// Without what makes the queries fit everywhere: Grafana's variables, and the name with a unit that other exporters use.
const plain = (query) =>
  query.replaceAll(/(, )?(job|feature_flag_key)=~"\.\*"/g, "").replaceAll("{}", "")
    .replaceAll(/\{__name__=~"(\w+)\(_seconds\)\?(\w+)"\}/g, "$1$2")

const profile = temporary("chromium")
const chromium = (address, path, height, more = []) =>
  must("chromium", [
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--hide-scrollbars",
    `--user-data-dir=${profile}`,
    `--window-size=1200,${height}`,
    "--virtual-time-budget=15000",
    `--screenshot=${path}`,
    ...more,
    address
  ], { timeout: 90_000 })

const told = (file, text) => {
  const { size } = statSync(join(folder, file))
  console.log(`${file}: ${text}, ${Math.round(size / 1000)} kB`)
  if (size > limit) throw new Error(`${file} is larger than ${limit / 1000} kB`)
}

await run({ visits: 1500 }, async ({ begin, url }) => {
  const { find, panels, query } = dashboard()
  const queryOf = (target, inMillis) => `${inMillis ? "1000 * " : ""}${plain(query(target, "5s"))}`
  const graphOf = (expression, isStacked) => {
    const page = new URL("/graph", url)
    page.search = new URLSearchParams({
      "g0.expr": expression,
      "g0.tab": "0",
      "g0.stacked": isStacked ? "1" : "0",
      "g0.range_input": `${Math.ceil(Date.now() / 1000 - begin)}s`,
      "g0.step_input": "1"
    }).toString()
    return page.href
  }
  for (const { file, height, inMillis, isStacked, panel } of pictures) {
    const address = graphOf(queryOf(find(panel), inMillis), isStacked)
    const dom = chromium(address, join(folder, file), height, ["--dump-dom"])
    const [, series] = /Total time series: (\d+)/.exec(dom) ?? []
    if (!(series > 0)) throw new Error(`${file} shows nothing`)
    told(file, `${panel}, ${series} series`)
  }
  const pages = temporary("dashboard")
  const cells = []
  for (const { targets: [target], title } of panels) {
    const expression = queryOf(target, false)
    const answer = await fetch(new URL(`/api/v1/query?${new URLSearchParams({ query: expression })}`, url))
    const { data } = await answer.json()
    if (data.result.length === 0) throw new Error(`the panel "${title}" shows nothing`)
    const picture = `panel-${cells.length}.png`
    chromium(graphOf(expression, false), join(pages, picture), 1000)
    cells.push(`<figure><figcaption>${title}</figcaption><div><img src="${picture}"></div></figure>`)
  }
  const page = join(pages, "dashboard.html")
  // The top of Prometheus' page is its menu and the query.
  writeFileSync(
    page,
    `<meta charset="utf-8"><style>
    body { margin: 12px; display: grid; grid-template-columns: repeat(3, minmax(0, 1fr)); gap: 12px; font: 14px sans-serif }
    figure { margin: 0; padding: 8px; border: 1px solid #d0d7de; border-radius: 6px }
    figcaption { font-weight: 600; margin-bottom: 6px }
    div { height: 200px; overflow: hidden }
    img { width: 396px; margin: -111px 0 0 -8px }
  </style>${cells.join("")}`
  )
  const rows = Math.ceil(cells.length / 3)
  chromium(`file://${page}`, join(folder, "dashboard.png"), rows * 261 + 12)
  told("dashboard.png", `${cells.length} panels`)
})
