/** Where a value does not fit a schema, as text without anything of the value. */
import type * as SchemaAST from "effect/SchemaAST"
import type * as SchemaIssue from "effect/SchemaIssue"
import { oneLine } from "../text.ts"

const maxLength = 200

/** Returns for example `["limits"]["daily"]`, or an empty text for the value as a whole. */
export const printIssuePath = (issue: SchemaIssue.Issue): string => {
  let next: SchemaIssue.Issue | undefined = issue
  let within: SchemaAST.AST | undefined = undefined
  let path = ""
  while (next !== undefined && path.length <= maxLength) {
    const current: SchemaIssue.Issue = next
    if ("ast" in current) within = current.ast
    if (current._tag === "Pointer") {
      for (const key of current.path) {
        const property = propertyOf(within, key)
        path += typeof key === "number" ? `[${key}]` : property === undefined ? "[*]" : `[${quoted(key)}]`
        within = property?.type
      }
    }
    next = inner(current)
  }
  return oneLine(path, maxLength)
}

// A key that the schema does not name, such as that of a record, is part of the value.
const propertyOf = (ast: SchemaAST.AST | undefined, key: PropertyKey) =>
  ast?._tag === "Objects" ? ast.propertySignatures.find(({ name }) => name === key) : undefined

const quoted = (key: PropertyKey): string => typeof key === "string" ? JSON.stringify(key) : String(key)

// The members of a union fail at different places, and it is not known which of them was meant.
const inner = (issue: SchemaIssue.Issue): SchemaIssue.Issue | undefined => {
  switch (issue._tag) {
    case "Composite":
      return issue.issues[0]
    case "AnyOf":
      return issue.issues.length === 1 ? issue.issues[0] : undefined
    case "Encoding":
    case "Filter":
    case "Pointer":
      return issue.issue
    default:
      return undefined
  }
}
