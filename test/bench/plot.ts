/**
 * `npm run bench:plot`: draws docs/performance.svg from bench-results.json, the
 * time of an evaluation against the number of hooks.
 */
import { readFileSync, writeFileSync } from "node:fs"

interface Results {
  readonly node: string
  readonly cpu: string
  readonly curve: ReadonlyArray<{ readonly hooks: number; readonly [kind: string]: number }>
}

const isResults = (value: unknown): value is Results =>
  typeof value === "object" && value !== null && "curve" in value && Array.isArray(value.curve)

const results: unknown = JSON.parse(readFileSync(new URL("../../bench-results.json", import.meta.url), "utf8"))
if (!isResults(results) || results.curve.length === 0) throw new Error("run `npm run bench` first")

const { cpu, curve, node } = results
const kinds: ReadonlyArray<readonly [name: string, colour: string, dash: string]> = [
  ["Effect.runPromise per stage", "#8a8f98", "2 4"],
  ["hand-written, async", "#c2571a", ""],
  ["hand-written, synchronous", "#c79a1b", "6 4"],
  ["effect-openfeature", "#1f6f8b", ""]
]

const size = { width: 760, height: 440 }
const inner = { left: 64, top: 56, right: 210, bottom: 52 }
const width = size.width - inner.left - inner.right
const height = size.height - inner.top - inner.bottom

const most = Math.max(...curve.map(({ hooks }) => hooks))
const highest = Math.max(...curve.flatMap((point) => kinds.map(([name]) => point[name] ?? 0))) / 1000
const step = [1, 2, 5, 10, 20, 50, 100, 200, 500].find((step) => highest / step <= 6) ?? 1000
const top = Math.ceil(highest / step) * step

const x = (hooks: number): string => (inner.left + (hooks / most) * width).toFixed(1)
const y = (micros: number): string => (inner.top + height - (micros / top) * height).toFixed(1)

const text = (x: number | string, y: number | string, content: string, more = ""): string =>
  `<text x="${x}" y="${y}" ${more}>${content}</text>`

const grid = Array.from({ length: top / step + 1 }, (_, index) => index * step).map((micros) =>
  `<line x1="${inner.left}" x2="${inner.left + width}" y1="${y(micros)}" y2="${y(micros)}" stroke="#e3e5e8"/>` +
  text(inner.left - 8, Number(y(micros)) + 4, String(micros), `text-anchor="end"`)
)
const ticks = [0, 10, 20, 30, 40, 50].filter((hooks) => hooks <= most).map((hooks) =>
  text(x(hooks), inner.top + height + 18, String(hooks), `text-anchor="middle"`)
)

const lines = kinds.map(([name, colour, dash]) => {
  const points = curve.map((point) => `${x(point.hooks)},${y((point[name] ?? 0) / 1000)}`)
  const dots = points.map((point) => {
    const [cx, cy] = point.split(",")
    return `<circle cx="${cx}" cy="${cy}" r="2.5" fill="${colour}"/>`
  })
  return `<polyline points="${
    points.join(" ")
  }" fill="none" stroke="${colour}" stroke-width="2" stroke-dasharray="${dash}"/>${dots.join("")}`
})

// Each line is named at its end, as far apart as letters need.
let free = Number.POSITIVE_INFINITY
const last = curve[curve.length - 1]
const labels = kinds
  .map(([name, colour]) => ({ name, colour, at: Number(y((last?.[name] ?? 0) / 1000)) }))
  .sort((a, b) => b.at - a.at)
  .map(({ at, colour, name }) => {
    const place = Math.min(at + 4, free - 16)
    free = place
    return text(inner.left + width + 10, place.toFixed(1), name, `fill="${colour}" font-weight="600"`)
  })

writeFileSync(
  new URL("../../docs/performance.svg", import.meta.url),
  `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${size.width} ${size.height}" width="${size.width}" height="${size.height}" font-family="system-ui, sans-serif" font-size="12" fill="#3b4048">
<rect width="100%" height="100%" fill="#ffffff"/>
${text(inner.left, 24, "Time of an evaluation against the number of hooks", `font-size="15" font-weight="600"`)}
${text(inner.left, 42, `microseconds, median; Node ${node}, ${cpu}`)}
${grid.join("\n")}
${ticks.join("\n")}
${text(inner.left + width / 2, size.height - 12, "hooks, each with before, after and finally", `text-anchor="middle"`)}
${lines.join("\n")}
${labels.join("\n")}
</svg>
`
)
console.log("docs/performance.svg is drawn")
