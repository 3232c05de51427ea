/** The page about OpenTelemetry names each metric of Effect's that the package exports. */
import { assert, it } from "@effect/vitest"
import { Metric } from "effect"
import * as Root from "effect-openfeature"
import * as Node from "effect-openfeature/node"
import { readFileSync } from "node:fs"

const page = readFileSync(new URL("../../docs/opentelemetry.md", import.meta.url), "utf8")

/** The first two columns of the table, without links and code signs. */
const rows = Array.from(
  page.matchAll(/^\| `(feature_flag_\w+)` +\| \[?`(\w+\.\w+)`/gm),
  ([, name, owner]) => `${name} ${owner}`
)

const exported = [Root, Node].flatMap((modules) =>
  Object.entries(modules).flatMap(([module, members]) =>
    Object.entries(members).flatMap(([member, value]: [string, unknown]) =>
      Metric.isMetric(value) ? [`${value.id} ${module}.${member}`] : []
    )
  )
)

it("every metric that the package exports is in the table of the page, under its name", () => {
  assert.isAtLeast(exported.length, 15)
  assert.sameMembers(rows, exported)
})
