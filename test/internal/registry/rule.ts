/** The rule of the running order, read word for word and without regard to time. */
import type { Ordered } from "../../../src/internal/registry/order.ts"

type Edge = readonly [first: string, second: string]

export const edgesOf = (items: ReadonlyArray<Ordered>): ReadonlyArray<Edge> => {
  const known = new Set(items.map(({ name }) => name))
  return items.flatMap(({ after, before, name }): ReadonlyArray<Edge> => [
    ...before.filter((other) => known.has(other)).map((other): Edge => [name, other]),
    ...after.filter((other) => known.has(other)).map((other): Edge => [other, name])
  ])
}

/** Takes away what nothing comes before, until nothing is left or everything is in or behind a cycle. */
export const hasCycle = (items: ReadonlyArray<Ordered>): boolean => {
  let edges = edgesOf(items)
  let left = items.map(({ name }) => name)
  for (;;) {
    const free = left.filter((name) => !edges.some(([, second]) => second === name))
    if (free.length === 0) return left.length > 0
    left = left.filter((name) => !free.includes(name))
    edges = edges.filter(([first]) => !free.includes(first))
  }
}

/** At each position stands the best of those that may stand there. */
export const byRule = (items: ReadonlyArray<Ordered>): ReadonlyArray<string> => {
  const edges = edgesOf(items)
  const placed: Array<string> = []
  for (let index = 0; index < items.length; index++) {
    let best: Ordered | undefined = undefined
    for (const item of items) {
      const mayStand = !placed.includes(item.name) &&
        edges.every(([first, second]) => second !== item.name || placed.includes(first))
      if (mayStand && (best === undefined || item.priority > best.priority)) best = item
    }
    if (best !== undefined) placed.push(best.name)
  }
  return placed
}
