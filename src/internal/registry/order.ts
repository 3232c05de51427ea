/** The running order of hooks: constraints first, then priority, then the order in which they were added. */
import * as Result from "effect/Result"

export interface Ordered {
  readonly name: string
  /** Hooks with a higher priority run first. */
  readonly priority: number
  /** The names of hooks that run after this one. Names of no hook have no effect. */
  readonly before: ReadonlyArray<string>
  /** The names of hooks that run before this one. */
  readonly after: ReadonlyArray<string>
}

class Node<A> {
  readonly item: A
  readonly rank: number
  readonly earlier = new Set<Node<A>>()
  readonly later = new Set<Node<A>>()

  constructor(item: A, rank: number) {
    this.item = item
    this.rank = rank
  }
}

const link = <A>(first: Node<A> | undefined, second: Node<A> | undefined): void => {
  if (first === undefined || second === undefined) return
  first.later.add(second)
  second.earlier.add(first)
}

const insert = <A>(nodes: Array<Node<A>>, node: Node<A>): void => {
  const index = nodes.findIndex(({ rank }) => rank > node.rank)
  nodes.splice(index < 0 ? nodes.length : index, 0, node)
}

/**
 * Sorts items that are given in the order in which they were added. Fails with
 * the names of a cycle, each of which has to run before the next.
 */
export const sort = <A extends Ordered>(items: ReadonlyArray<A>): Result.Result<Array<A>, Array<string>> => {
  const sorted = Array.from(items).sort((a, b) => b.priority - a.priority)
  if (sorted.every(({ after, before }) => after.length + before.length === 0)) return Result.succeed(sorted)

  const nodes = new Map(sorted.map((item, rank) => [item.name, new Node(item, rank)]))
  for (const node of nodes.values()) {
    for (const name of node.item.before) link(node, nodes.get(name))
    for (const name of node.item.after) link(nodes.get(name), node)
  }
  const ready = Array.from(nodes.values()).filter(({ earlier }) => earlier.size === 0)
  const done: Array<A> = []
  for (let node = ready.shift(); node !== undefined; node = ready.shift()) {
    done.push(node.item)
    nodes.delete(node.item.name)
    for (const next of node.later) {
      next.earlier.delete(node)
      if (next.earlier.size === 0) insert(ready, next)
    }
  }
  const [left] = nodes.values()
  return left === undefined ? Result.succeed(done) : Result.fail(cycleFrom(left).map(({ item }) => item.name))
}

// Each node that is left waits for another one that is left, so going back from one leads into a cycle.
const cycleFrom = <A>(start: Node<A>): Array<Node<A>> => {
  const path: Array<Node<A>> = []
  for (let node: Node<A> | undefined = start; node !== undefined; [node] = node.earlier) {
    const index = path.indexOf(node)
    if (index >= 0) return [node, ...path.slice(index).reverse()]
    path.push(node)
  }
  return path
}
