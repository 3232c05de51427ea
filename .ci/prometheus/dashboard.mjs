// What docs/grafana-dashboard.json asks.
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { root } from "../support.mjs"

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
  return { panels, targets, query, find }
}
