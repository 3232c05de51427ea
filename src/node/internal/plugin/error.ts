/** The error of one plugin, or of the folder with all of them. */
import * as Data from "effect/Data"
import type * as SchemaIssue from "effect/SchemaIssue"
import { oneLine } from "../../../internal/text.ts"

export type Reason =
  | "Unreadable"
  | "Outside"
  | "Insecure"
  | "TooMany"
  | "Import"
  | "Timeout"
  | "Invalid"
  | "Incompatible"
  | "Duplicate"
  | "Start"

/** Why a plugin is not in use, in words that begin after its name. */
export interface Refusal {
  readonly reason: Reason
  readonly text: string
}

export class HookPluginError extends Data.TaggedError("HookPluginError")<{
  readonly reason: Reason
  readonly message: string
  readonly file: string | undefined
  readonly plugin: string | undefined
  readonly issue: SchemaIssue.Issue | undefined
}> implements Refusal {
  readonly #text: string
  constructor(options: {
    readonly reason: Reason
    readonly text: string
    readonly file?: string | undefined
    readonly plugin?: string | undefined
    readonly issue?: SchemaIssue.Issue | undefined
    readonly cause?: unknown
  }) {
    const { cause, file, issue, plugin, reason, text } = options
    const name = plugin === undefined ? "" : ` "${oneLine(plugin, 128)}"`
    const place = file === undefined ? "" : ` in ${oneLine(file, 500)}`
    super({ reason, message: `plugin${name}${place}: ${oneLine(text, 1000)}`, file, plugin, issue })
    this.#text = text
    // It can have any text of the plugin, so printers of fields leave it out.
    if (cause !== undefined) Object.defineProperty(this, "cause", { value: cause, enumerable: false })
  }
  /** @internal */
  get text(): string {
    return this.#text
  }
}
