// Looks for words that must not be in any file of the project.
import { existsSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { must, root } from "./support.mjs"

// In two parts, so that they are not in this file.
const words = [["TO", "DO"], ["FIX", "ME"], ["../", "shared"]].map((parts) => parts.join(""))
const pattern = new RegExp(words.map((word) => word.replaceAll(".", "[.]").replace(/^\w+$/, "\\b$&\\b")).join("|"))

const files = must("git", ["ls-files", "--cached", "--others", "--exclude-standard", "--deduplicate"]).trim().split(
  "\n"
)
const found = files
  .filter((file) => file !== "package-lock.json" && existsSync(join(root, file)))
  .flatMap((file) =>
    readFileSync(join(root, file), "utf8").split("\n").flatMap((line, index) => {
      const word = pattern.exec(line)
      return word === null ? [] : [`${file}:${index + 1}: contains ${word[0]}`]
    })
  )
if (found.length > 0) {
  console.error(found.join("\n"))
  process.exit(1)
}
console.log(`words: ${files.length} files are in order`)
