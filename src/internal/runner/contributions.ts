/** What the `before` stages of a run contribute: attributes, hints, and a resolution. */
import type * as SDK from "@openfeature/server-sdk"
import * as Cause from "effect/Cause"
import * as EvaluationContext from "../../EvaluationContext.ts"
import * as HookHints from "../../HookHints.ts"
import { Misuse } from "../check.ts"
import { isSettling } from "../hook/part.ts"
import { isServer, unserved } from "../hook/server.ts"
import { touch } from "../hook/view.ts"
import { nearest, oneLine } from "../text.ts"
import { isRecord, tryOr } from "../untrusted.ts"
import * as Failure from "./failure.ts"
import * as Resolution from "./resolution.ts"
import type { Entry } from "./stack.ts"

interface Host extends Failure.Host {
  readonly sdk: Readonly<SDK.HookContext>
}

const fields: ReadonlyArray<string> = ["context", "hints", "resolution"]

// Names are part of the code of a hook, unlike values.
const advice = (name: string): string => {
  const near = nearest(name, fields)
  return near === undefined
    ? `gave an attribute outside of the context, as in { context: { ${oneLine(name, 64)}: … } },`
    : `gave "${oneLine(name, 64)}" where "${near}" was probably meant`
}

export class Contributions {
  #context: SDK.EvaluationContext | undefined = undefined
  #isWritable = true

  /** Merges the contribution of a `before`, so that every later hook sees it. */
  take(host: Host, contribution: unknown, entry: Entry): void {
    if (!isRecord(contribution)) return ignore(host, entry, "gave something that is not a contribution")
    // Own keys only, so that a polluted prototype contributes nothing.
    const own = (name: string) => Object.hasOwn(contribution, name) ? contribution[name] : undefined
    const hints = own("hints")
    const context = own("context")
    const resolution = own("resolution")
    if (!entry.hasWarned) {
      const other = Object.keys(contribution).find((name) => !fields.includes(name))
      if (other !== undefined) ignore(host, entry, advice(other))
    }
    if (hints !== undefined) {
      if (!HookHints.isHookHints(hints)) throw new Misuse("gave hints that are not HookHints")
      host.evaluation.addHints(hints)
    }
    if (context !== undefined) {
      if (!EvaluationContext.isEvaluationContext(context)) {
        throw new Misuse("gave a context that is not a record")
      }
      this.#merge(host, EvaluationContext.toSdk(context))
    }
    if (resolution !== undefined) {
      resolve(host, resolution, contribution, entry)
    }
  }

  #merge({ sdk, view }: Host, contributed: SDK.EvaluationContext): void {
    this.#context = this.#context === undefined ? contributed : { ...this.#context, ...contributed }
    tryOr(() => Object.assign(sdk.context, contributed), () => void (this.#isWritable = false))
    touch(view)
  }

  /**
   * The result for the SDK, which merges it again, and SDK hooks may have written to
   * the live context since. If that is not writable, the SDK fails with this result.
   */
  resultFor(live: SDK.EvaluationContext): SDK.EvaluationContext | undefined {
    const contributed = this.#context
    if (contributed === undefined || !this.#isWritable) return contributed
    for (const name of Object.keys(contributed)) {
      if (Object.hasOwn(live, name)) Reflect.set(contributed, name, live[name])
      else Reflect.deleteProperty(contributed, name)
    }
    return contributed
  }
}

const resolve = (host: Host, given: unknown, contribution: object, entry: Entry): void => {
  const { details, flaw } = Resolution.from(given)
  const { flagKey, providerMetadata } = host.sdk
  const isServed = isServer(providerMetadata)
  if ((flaw !== undefined || !isServed) && !entry.hasWarnedOfResolution && entry.onFailure !== "ignore") {
    entry.hasWarnedOfResolution = true
    tell(host, entry, isServed && flaw !== undefined ? new Misuse(flaw) : unserved())
  }
  if (!isServed) return
  const { evaluation, view } = host
  evaluation.resolve(flagKey, details, isSettling(contribution) ? { contribution, view } : undefined)
}

// The SDK ignores such a result. Here it is reported once as well.
const ignore = (host: Host, entry: Entry, what: string): void => {
  if (entry.hasWarned || entry.onFailure === "ignore") return
  entry.hasWarned = true
  tell(host, entry, new Misuse(what))
}

const tell = (host: Host, { name }: Entry, misuse: Misuse): void => {
  const cause = Cause.die(misuse)
  Failure.report(host, { hook: name, stage: "before", flagKey: host.view.flagKey, cause })
}
