// Turns the assertions of a snippet into code.
import { parseSync, Visitor } from "oxc-parser"

/** The line of an offset, from 1. */
export const lineOf = (source, offset) => source.slice(0, offset).split("\n").length

/** Replaces `value // => expected` by a call of the assertion, on the same line. */
export const instrument = (snippet, path, errors) => {
  const { comments, errors: failures, program } = parseSync(path, snippet.code)
  if (failures.length > 0) return { code: snippet.code, assertions: 0 } // reported by the type check
  const expectations = comments.flatMap((comment) => {
    const match = comment.type === "Line" ? /^\s*=>\s*(.+?)\s*$/.exec(comment.value) : null
    return match === null ? [] : [{ comment, expected: match[1], line: lineOf(snippet.code, comment.start) }]
  })
  const edits = []
  const attach = (statement, edit) => {
    const line = lineOf(snippet.code, statement.end)
    const found = expectations.find((expectation) =>
      expectation.line === line && expectation.comment.start >= statement.end && !expectation.used
    )
    if (found === undefined) return
    found.used = true
    const at = `${snippet.file}:${snippet.line + found.line - 1}`
    if (parseSync("expected.ts", `(${found.expected})`).errors.length > 0) {
      errors.push(`${at}: "// => ${found.expected}" is not an expression`)
      return
    }
    edits.push(edit(`() => (${found.expected}), ${JSON.stringify(at)}`))
  }
  new Visitor({
    ExpressionStatement: (node) => {
      let target = node.expression
      const isLog = target.type === "CallExpression" && target.callee.type === "MemberExpression" &&
        target.callee.object.name === "console" && target.arguments.length === 1
      if (isLog) target = target.arguments[0]
      attach(node, (rest) => ({
        start: target.start,
        end: target.end,
        text: `__assert((${snippet.code.slice(target.start, target.end)}), ${rest})`
      }))
    },
    VariableDeclaration: (node) => {
      const id = node.declarations[0]?.id
      if (node.declarations.length !== 1 || id.type !== "Identifier") return
      attach(node, (rest) => ({ start: node.end, end: node.end, text: `; __assert(${id.name}, ${rest});` }))
    }
  }).visit(program)
  for (const { expected, line, used } of expectations) {
    if (!used) {
      errors.push(
        `${snippet.file}:${snippet.line + line - 1}: "// => ${expected}" is not behind an expression statement`
      )
    }
  }
  let code = snippet.code
  // An inner edit lies before the end of an outer one only in nested statements, which never share a line end.
  for (const edit of edits.sort((a, b) => b.start - a.start)) {
    code = code.slice(0, edit.start) + edit.text + code.slice(edit.end)
  }
  return { code, assertions: edits.length }
}
