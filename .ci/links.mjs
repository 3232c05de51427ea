// Looks for dead links in README.md, CHANGELOG.md and docs: `node .ci/links.mjs`. A relative link leads to a file or a
// folder of the project, and its anchor to a heading or an `<a id>` of that file. Addresses on the web are not visited.
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs"
import { dirname, join, relative, resolve } from "node:path"
import { root } from "./support.mjs"

const pages = [
  "README.md",
  "CHANGELOG.md",
  ...readdirSync(join(root, "docs"), { recursive: true }).map((path) => join("docs", path))
].filter((path) => path.endsWith(".md")).sort()

/** The text without fences and code, and with its lines where they were. */
const proseOf = (text) => text.replace(/^( *)(`{3,})[^\n]*\n[^]*?^\1\2 *$/gm, (fence) => fence.replace(/[^\n]/g, ""))
const withoutCode = (text) => text.replace(/`[^`\n]+`/g, (code) => "_".repeat(code.length))

/** The anchors of a page, by the rules of GitHub. */
const anchorsOf = (text) => {
  const prose = proseOf(text)
  const anchors = new Set([...prose.matchAll(/<a (?:id|name)="([^"]+)"/g)].map(([, id]) => id))
  const seen = new Map()
  for (const [, heading] of prose.matchAll(/^#{1,6} +(.+?) *#*$/gm)) {
    const plain = heading.replace(/!?\[([^\]]*)\]\([^)]*\)/g, "$1").replace(/<[^>]+>|\\/g, "")
    const slug = plain.toLowerCase().replace(/[^\p{L}\p{N}\p{M}\s_-]/gu, "").replace(/\s/g, "-")
    const count = seen.get(slug) ?? 0
    seen.set(slug, count + 1)
    anchors.add(count === 0 ? slug : `${slug}-${count}`)
  }
  return anchors
}

const anchors = new Map()
const hasAnchor = (file, anchor) => {
  if (!anchors.has(file)) anchors.set(file, anchorsOf(readFileSync(file, "utf8")))
  return anchors.get(file).has(anchor)
}

const errors = []
let links = 0
const check = (page, line, target) => {
  if (/^[a-z]+:/i.test(target)) return
  links++
  const [path, anchor] = decodeURI(target).split("#")
  const file = path === "" ? join(root, page) : resolve(root, dirname(page), path)
  const isOutside = relative(root, file).startsWith("..")
  if (isOutside || !existsSync(file)) errors.push(`${page}:${line}: ${target} does not exist`)
  else if (anchor !== undefined && (statSync(file).isDirectory() || !hasAnchor(file, anchor))) {
    errors.push(`${page}:${line}: ${target} has no such anchor`)
  }
}
for (const page of pages) {
  for (const [index, line] of withoutCode(proseOf(readFileSync(join(root, page), "utf8"))).split("\n").entries()) {
    const targets = [
      ...line.matchAll(/\]\(<?([^)\s>]+)>?(?: "[^"]*")?\)/g),
      ...line.matchAll(/^ *\[[^\]]+\]: +<?(\S+?)>?$/g),
      ...line.matchAll(/<(?:a|img)\b[^>]*\b(?:href|src)="([^"]+)"/g)
    ]
    for (const [, target] of targets) check(page, index + 1, target)
  }
}

if (errors.length > 0) {
  console.error(errors.join("\n"))
  console.error(`links: ${errors.length} of ${links} are dead`)
  process.exit(1)
}
console.log(`links: ${links} in ${pages.length} pages lead somewhere`)
