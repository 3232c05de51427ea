/** What the process of Node tells about resources. Elsewhere there is nothing to tell. */
import * as Effect from "effect/Effect"
import { cast } from "effect/Function"
import { garbageCollector } from "../../../internal/node.ts"
import { read } from "../../../internal/untrusted.ts"

const node = cast<unknown, typeof globalThis.process | undefined>(read(globalThis, "process"))

/** The number of active resources by kind, such as timers and sockets, and of listeners by event. */
export const resources = (): ReadonlyMap<string, number> => {
  const counts = new Map<string, number>()
  for (const kind of node?.getActiveResourcesInfo?.() ?? []) {
    // The event loop turns by them while something is waited for.
    if (kind !== "Immediate") counts.set(kind, (counts.get(kind) ?? 0) + 1)
  }
  for (const event of node?.eventNames() ?? []) {
    counts.set(`listener of process for "${String(event)}"`, node?.listenerCount(event) ?? 0)
  }
  return counts
}

/** Collects what nobody handled. Returns a function that ends this. */
export const watchUnhandled = (found: (text: string) => void): () => void => {
  const onRejection = () => found("a rejected promise that nobody handled")
  const onException = () => found("an exception that nobody caught")
  node?.on("unhandledRejection", onRejection)
  node?.on("uncaughtExceptionMonitor", onException)
  return () => {
    node?.off("unhandledRejection", onRejection)
    node?.off("uncaughtExceptionMonitor", onException)
  }
}

const methods = ["debug", "error", "info", "log", "trace", "warn"] as const

/** Also gives what is printed on the console to a function. Returns a function that ends this. */
export const watchConsole = (printed: (values: ReadonlyArray<unknown>) => void): () => void => {
  const console = globalThis.console
  const restore = methods.map((name) => {
    const original = console[name]
    console[name] = (...values: Array<unknown>) => {
      printed(values)
      original.apply(console, values)
    }
    return () => void (console[name] = original)
  })
  return () => restore.forEach((run) => run())
}

/** The used heap in bytes after a collection of garbage, or `undefined` where Node does not tell. */
export const usedHeap: Effect.Effect<number | undefined> = Effect.gen(function*() {
  const collect = garbageCollector()
  if (collect === undefined || node === undefined) return undefined
  for (let round = 0; round < 3; round++) {
    collect()
    yield* Effect.sleep("1 millis")
  }
  return node.memoryUsage().heapUsed
})
