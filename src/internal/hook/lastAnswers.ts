/** The last answers of flags, each for the subject that got it. */
import { type EvaluationDetails, isKept, keep, type ResolutionDetails } from "../../EvaluationDetails.ts"
import type { HookContext } from "../../HookContext.ts"
import { netstring } from "../hash.ts"
import { Recent } from "../recent.ts"
import { ignoreRejection } from "../untrusted.ts"
import { domainOf, targetingKeyOf } from "./view.ts"

/** In characters. A longer key is not kept, so that the capacity also bounds the memory. */
const maxKeyLength = 1024

interface Answer {
  readonly at: bigint
  readonly resolution: ResolutionDetails
}

/** Providers give the default value of the caller then, and another caller can have another one. */
const isOfCaller = ({ reason, variant }: EvaluationDetails): boolean =>
  reason === "DISABLED" || reason === "ERROR" || (reason === "DEFAULT" && variant === undefined)

// A value that cannot be served would reject the evaluations that get it as their last answer.
const answerOf = (details: EvaluationDetails, { flagValueType }: HookContext): ResolutionDetails | undefined => {
  const { flagMetadata, value, variant } = details
  if (isOfCaller(details) || typeof value !== flagValueType) return undefined
  const answer = keep({ value, reason: "STALE", flagMetadata, ...variant === undefined ? undefined : { variant } })
  return answer !== undefined && isKept(answer) ? answer : undefined
}

export class LastAnswers {
  readonly #answers: Recent<Answer>
  readonly #timeToLive: bigint | undefined
  readonly #keyOf: ((context: HookContext) => unknown) | undefined

  constructor(
    capacity: number,
    timeToLive: bigint | undefined,
    keyOf: ((context: HookContext) => unknown) | undefined
  ) {
    this.#answers = new Recent(capacity)
    this.#timeToLive = timeToLive
    this.#keyOf = keyOf
  }
  /** The whole key, since a digest could give one subject the answer of another. */
  keyOf(context: HookContext): string | undefined {
    const whose = this.#whose(context)
    if (whose === undefined) return undefined
    const key = netstring(context.flagValueType, domainOf(context) ?? "", context.flagKey) + whose
    return key.length > maxKeyLength ? undefined : key
  }
  // Attributes can tell subjects apart that have no targeting key, so only an empty context is everybody's.
  #whose(context: HookContext): string | undefined {
    if (this.#keyOf !== undefined) {
      const key = this.#keyOf(context)
      ignoreRejection(key)
      return typeof key === "string" ? `k${key}` : undefined
    }
    const subject = targetingKeyOf(context)
    if (subject !== undefined) return `s${subject}`
    return Object.keys(context.context).length === 0 ? "" : undefined
  }
  get(key: string, now: bigint): ResolutionDetails | undefined {
    const answer = this.#answers.peek(key)
    if (answer === undefined) return undefined
    if (this.#timeToLive !== undefined && now - answer.at >= this.#timeToLive) {
      this.#answers.delete(key, answer)
      return undefined
    }
    this.#answers.use(key, answer)
    return answer.resolution
  }
  set(key: string, context: HookContext, details: EvaluationDetails, now: bigint): void {
    const resolution = answerOf(details, context)
    if (resolution === undefined) this.#forget(key)
    else this.#answers.set(key, { at: now, resolution })
  }
  // The flag may be off now, and then its last answer is no longer true.
  #forget(key: string): void {
    const known = this.#answers.peek(key)
    if (known !== undefined) this.#answers.delete(key, known)
  }
}
