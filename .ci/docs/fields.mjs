// Finds the fields that an editor shows nothing about: properties and methods of exported types, of options in the
// parameters of exported functions, and public members of exported classes, without a JSDoc comment of their own.
import { parseSync, Visitor } from "oxc-parser"
import { lineOf } from "./instrument.mjs"

/** Names and lines of the fields without a comment. */
export const undocumentedFields = (source) => {
  const { comments, program } = parseSync("source.ts", source)
  const ends = comments.filter(({ type, value }) => type === "Block" && value.startsWith("*")).map(({ end }) => end)
  const isDocumented = ({ start }) => ends.some((end) => end <= start && source.slice(end, start).trim() === "")
  const isPublic = ({ accessibility, key }) =>
    (accessibility === undefined || accessibility === "public") && key.type !== "PrivateIdentifier"
  const found = []
  const field = (node) => {
    const name = node.key.name ?? node.key.value
    // The type identifier of a model, and the variance in it, are typed by nobody.
    if (node.computed || name.startsWith("_") || isDocumented(node)) return
    found.push({ name, line: lineOf(source, node.start) })
  }
  // What a body does is not part of the types.
  const types = new Visitor({ TSPropertySignature: field, TSMethodSignature: field })
  const visit = (...nodes) => types.visit({ type: "Program", body: nodes.filter((node) => node !== null) })
  const signature = ({ params, returnType, typeParameters }) => visit(typeParameters, ...params, returnType)

  for (const { declaration, type } of program.body) {
    if (type !== "ExportNamedDeclaration" || declaration === null) continue
    if (declaration.type === "FunctionDeclaration") signature(declaration)
    else if (declaration.type === "VariableDeclaration") {
      for (const { id, init } of declaration.declarations) {
        visit(id.typeAnnotation ?? null)
        if (init?.type === "ArrowFunctionExpression") signature(init)
      }
    } else if (declaration.type === "ClassDeclaration") {
      visit(declaration.superClass, declaration.superTypeArguments)
      for (const member of declaration.body.body.filter(isPublic)) {
        const isConstructor = member.kind === "constructor"
        if (member.type === "PropertyDefinition" && !member.static) visit(member.typeAnnotation)
        if (!isConstructor && !member.override) field(member)
        if (member.type === "MethodDefinition") signature(member.value)
      }
    } else visit(declaration)
  }
  return found
}
