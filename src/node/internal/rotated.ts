/** The names of rotated files: `audit.jsonl` becomes `audit.2026-11-21.000000000042.jsonl`, by day and last number. */
import * as Path from "node:path"

const pattern = /^\d{4}-\d{2}-\d{2}\.\d{12,16}(_\d+)?$/

/** Returns the name for the present file. A number tells apart what would have the same name. */
export const nameOf = (path: string, day: string, seq: number, attempt: number): string => {
  const { dir, ext, name } = Path.parse(path)
  const suffix = attempt === 0 ? "" : `_${attempt}`
  return Path.join(dir, `${name}.${day}.${String(seq).padStart(12, "0")}${suffix}${ext}`)
}

/** Selects the rotated files of a path from the names in its folder, oldest first. */
export const ofPath = (path: string, names: ReadonlyArray<string>): ReadonlyArray<string> => {
  const { dir, ext, name } = Path.parse(path)
  return names
    .filter((file) =>
      file.startsWith(`${name}.`) && file.endsWith(ext) &&
      pattern.test(file.slice(name.length + 1, file.length - ext.length))
    )
    .sort()
    .map((file) => Path.join(dir, file))
}
