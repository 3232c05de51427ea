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
  /** The kind of the failure. */
  readonly reason: Reason
  /** What is wrong. */
  readonly text: string
}

/** The error of one plugin, or of the folder as a whole. */
export class HookPluginError extends Data.TaggedError("HookPluginError")<{
  /** The kind of the failure. */
  readonly reason: Reason
  /** The name or the file of the plugin, and what is wrong, in one line. */
  readonly message: string
  /** The path or the specifier, if it is known. */
  readonly file: string | undefined
  /** The name of the plugin, if it is known. */
  readonly plugin: string | undefined
  /** Where an export differs from a plugin. */
  readonly issue: SchemaIssue.Issue | undefined
}> {
  readonly #text: string
  constructor(
    options: Refusal & {
      /** The path or the specifier. */
      readonly file?: string | undefined
      /** The name of the plugin. */
      readonly plugin?: string | undefined
      /** Where an export differs from a plugin. */
      readonly issue?: SchemaIssue.Issue | undefined
      /** The original error, which can have any text of the plugin. Printers of fields leave it out. */
      readonly cause?: unknown
    }
  ) {
    const { cause, file, issue, plugin, reason, text } = options
    const name = plugin === undefined ? "" : ` "${oneLine(plugin, 128)}"`
    const place = file === undefined ? "" : ` in ${oneLine(file, 500)}`
    super({ reason, message: `plugin${name}${place}: ${oneLine(text, 1000)}`, file, plugin, issue })
    this.#text = text
    if (cause !== undefined) Object.defineProperty(this, "cause", { value: cause, enumerable: false })
  }
  /** @internal */
  get text(): string {
    return this.#text
  }
}
