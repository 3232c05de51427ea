/**
 * `npm run bench:plot`: draws docs/performance.svg from bench-results.json, the
 * time of an evaluation against the number of hooks. The few hooks that most
 * applications have get a panel of their own.
 */
import { readFileSync, writeFileSync } from "node:fs"
import { type Kind, kinds, type Point } from "./curve.ts"

interface Results {
  readonly node: string
  readonly cpu: string
  readonly curve: ReadonlyArray<Point>
}

const isResults = (value: unknown): value is Results =>
  typeof value === "object" && value !== null && "curve" in value && Array.isArray(value.curve)

const results: unknown = JSON.parse(readFileSync(new URL("../../bench-results.json", import.meta.url), "utf8"))
if (!isResults(results) || results.curve.length === 0) throw new Error("run `npm run bench` first")

const { cpu, curve, node } = results

const styles: Readonly<Record<Kind, { readonly label: string; readonly colour: string; readonly dash: string }>> = {
  "by hand, async": { label: "written by hand, async", colour: "#c2571a", dash: "" },
  "by hand, synchronous": { label: "written by hand, synchronous", colour: "#b08a12", dash: "6 4" },
  effects: { label: "effect-openfeature, effects", colour: "#1f6f8b", dash: "" },
  "plain functions": { label: "effect-openfeature, plain functions", colour: "#4b8b3b", dash: "6 4" }
}

const size = { width: 860, height: 500 }
const area = { top: 92, height: 340 }
const panels = [{ left: 56, width: 470, most: 10 }, { left: 588, width: 240, most: 50 }]

const text = (x: number, y: number, content: string, more = ""): string =>
  `<text x="${x}" y="${y}" ${more}>${content}</text>`

const tickStep = (highest: number): number => [1, 2, 5, 10, 20, 50, 100].find((step) => highest / step <= 6) ?? 200

const panel = ({ left, most, width }: typeof panels[number]): string => {
  const points = curve.filter(({ hooks }) => hooks <= most)
  const highest = Math.max(...points.flatMap(({ micros }) => Object.values(micros).map(({ high }) => high)))
  const step = tickStep(highest)
  const top = Math.ceil(highest / step) * step
  const x = (hooks: number): number => Math.round(left + (hooks / most) * width)
  const y = (micros: number): number => Math.round(area.top + area.height * (1 - micros / top))

  const grid = Array.from({ length: top / step + 1 }, (_, index) => index * step).map((micros) =>
    `<line x1="${left}" x2="${left + width}" y1="${y(micros)}" y2="${y(micros)}" stroke="#e3e5e8"/>` +
    text(left - 8, y(micros) + 4, String(micros), `text-anchor="end"`)
  )
  const ticks = Array.from({ length: 6 }, (_, index) => index * most / 5).map((hooks) =>
    text(x(hooks), area.top + area.height + 18, String(hooks), `text-anchor="middle"`)
  )
  const lines = kinds.map((kind) => {
    const { colour, dash } = styles[kind]
    const places = points.flatMap(({ hooks, micros }) => {
      const spread = micros[kind]
      return spread === undefined
        ? []
        : [{ x: x(hooks), y: y(spread.median), low: y(spread.low), high: y(spread.high) }]
    })
    const line = places.map(({ x, y }) => `${x},${y}`).join(" ")
    const back = Array.from(places).reverse()
    const band = [...places.map(({ high, x }) => `${x},${high}`), ...back.map(({ low, x }) => `${x},${low}`)].join(" ")
    const dots = places.map(({ x, y }) => `<circle cx="${x}" cy="${y}" r="2.5" fill="${colour}"/>`)
    return `<polygon points="${band}" fill="${colour}" fill-opacity="0.12"/><polyline points="${line}" fill="none" stroke="${colour}" stroke-width="2" stroke-dasharray="${dash}"/>` +
      dots.join("")
  })
  const caption = text(left + width / 2, size.height - 28, `number of hooks, up to ${most}`, `text-anchor="middle"`)
  return [...grid, ...ticks, ...lines, caption].join("\n")
}

const legend = kinds.map((kind, index) => {
  const { colour, dash, label } = styles[kind]
  const [x, y] = [56 + (index % 2) * 250, 58 + Math.floor(index / 2) * 18]
  return `<line x1="${x}" x2="${x + 26}" y1="${y - 4}" y2="${y - 4}" stroke="${colour}" stroke-width="2" ` +
    `stroke-dasharray="${dash}"/>${text(x + 34, y, label, `fill="${colour}" font-weight="600"`)}`
})

writeFileSync(
  new URL("../../docs/performance.svg", import.meta.url),
  `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${size.width} ${size.height}" width="${size.width}" height="${size.height}" font-family="system-ui, sans-serif" font-size="12" fill="#3b4048">
<rect width="100%" height="100%" fill="#ffffff"/>
${text(56, 24, "What an evaluation takes, in microseconds", `font-size="15" font-weight="600"`)}
${
    text(
      56,
      size.height - 8,
      `Hooks with before, after and finally; line: median, band: middle half; Node ${node}, ${cpu}`
    )
  }
${legend.join("\n")}
${panels.map(panel).join("\n")}
</svg>
`
)
console.log("docs/performance.svg is drawn")
