/** A plugin from its module, within a time limit. */
import * as Cause from "effect/Cause"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { createRequire } from "node:module"
import { pathToFileURL } from "node:url"
import { isRecord, read, readOwn, tryOr } from "../../../internal/untrusted.ts"
import * as Definition from "./definition.ts"
import { HookPluginError } from "./error.ts"
import { library } from "./library.ts"

/**
 * Work that is given up after a limit, even if it cannot be interrupted. It ends
 * with an exit of its own, since it is the code of a plugin.
 */
export const within = <A, E, R>(
  work: Effect.Effect<A, E, R>,
  limit: Duration.Input,
  failed: (reason: "Timeout" | "Failed", cause: unknown) => HookPluginError
): Effect.Effect<A, HookPluginError, R> =>
  Effect.uninterruptibleMask((restore) =>
    Effect.flatMap(Effect.forkDetach(Effect.interruptible(work), { startImmediately: true }), (fiber) => {
      const giveUp = Effect.sync(() => fiber.interruptUnsafe())
      const late = () => {
        const text = `not done within ${Duration.format(Duration.fromInputUnsafe(limit))}`
        return Effect.andThen(giveUp, Effect.fail(failed("Timeout", new Cause.TimeoutError(text))))
      }
      return restore(Effect.timeoutOrElse(Fiber.await(fiber), { duration: limit, orElse: late })).pipe(
        Effect.onInterrupt(() => giveUp),
        Effect.flatMap((exit) =>
          exit._tag === "Success" ? Effect.succeed(exit.value) : Effect.fail(failed("Failed", Cause.squash(exit.cause)))
        )
      )
    })
  )

const { cache } = createRequire(import.meta.url)

/** Imports the content that a file has now. Node keeps a module for each address, and never frees one. */
const importFile = (file: string, digest: string, attempt: number): Promise<unknown> => {
  const url = pathToFileURL(file)
  url.searchParams.set("v", attempt === 0 ? digest : `${digest}-${attempt}`)
  // CommonJS modules are kept by path.
  Reflect.deleteProperty(cache, file)
  return import(url.href)
}

// A module compiled to CommonJS has its exports one level deeper.
const exported = (module: unknown): unknown => {
  const found = read(module, "plugin") ?? read(module, "default")
  return isRecord(found) && readOwn(found, "__esModule") === true
    ? read(found, "default")
    : found
}

// A proxy can throw here.
const isEffect = (value: unknown): value is Effect.Effect<unknown, unknown> =>
  tryOr(() => Effect.isEffect(value), () => false)

// `async` makes a promise of what is given or thrown.
const called = async (module: Promise<unknown>): Promise<unknown> => {
  const found: unknown = await exported(await module)
  return typeof found === "function" && !isEffect(found) ? Reflect.apply(found, undefined, [library]) : found
}

const evaluated = (module: () => Promise<unknown>): Effect.Effect<unknown, unknown> =>
  Effect.flatMap(
    Effect.tryPromise({ try: () => called(module()), catch: (cause) => cause }),
    (found) => isEffect(found) ? found : Effect.succeed(found)
  )

const plugin = (module: () => Promise<unknown>, place: string, limit: Duration.Input) =>
  within(evaluated(module), limit, (reason, cause) =>
    new HookPluginError({
      reason: reason === "Timeout" ? "Timeout" : "Import",
      text: reason === "Timeout" ? "its module does not load in time" : "its module fails to load",
      file: place,
      cause
    })).pipe(Effect.flatMap((found) => Effect.fromResult(Definition.check(found, place))))

export const fromFile = (
  file: string,
  digest: string,
  attempt: number,
  limit: Duration.Input
): Effect.Effect<Definition.Definition, HookPluginError> => plugin(() => importFile(file, digest, attempt), file, limit)

export const fromPackage = (
  specifier: string,
  limit: Duration.Input
): Effect.Effect<Definition.Definition, HookPluginError> => plugin(() => import(specifier), specifier, limit)
