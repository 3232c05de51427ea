/** Restricts hooks to some of their stages. */
import type { Stage } from "../../HookFailures.ts"
import * as Check from "../check.ts"
import { oneLine, printValue } from "../text.ts"
import * as Part from "./part.ts"

const owner = "FeatureHook.onlyStages"

export const onlyStages = (
  name: string,
  parts: ReadonlyArray<Part.Part>,
  stages: ReadonlyArray<Stage>
): ReadonlyArray<Part.Part> => {
  check(parts, stages)
  const kept = parts.map((part) => only(part, stages)).filter(Part.hasStages)
  if (kept.length === 0 && parts.length > 0) {
    const had = Part.stages.filter((stage) => parts.some((part) => part[stage] !== undefined))
    const text = `hook "${oneLine(name, 128)}" has no ${stages.join(" or ")}, only ${had.join(", ")}`
    throw new RangeError(`${owner}: ${text}`)
  }
  return kept
}

const check = (parts: ReadonlyArray<Part.Part>, stages: ReadonlyArray<Stage>): void => {
  if (stages.length === 0) throw new RangeError(`${owner}: at least one stage is needed: ${Part.stages.join(", ")}`)
  for (const stage of stages) {
    if (Part.stages.includes(stage)) continue
    throw new RangeError(`${owner}: ${Check.unknownName("stage", printValue(stage, 64), Part.stages)}`)
  }
  const program = parts.find(({ isProgram }) => isProgram)
  if (program !== undefined && Part.stages.some((stage) => !stages.includes(stage))) {
    throw new RangeError(
      `${owner}: hook "${oneLine(program.name, 128)}" is one program around the evaluation and needs all its stages`
    )
  }
}

const only = (part: Part.Part, stages: ReadonlyArray<Stage>): Part.Part => ({
  ...part,
  before: stages.includes("before") ? part.before : undefined,
  after: stages.includes("after") ? part.after : undefined,
  error: stages.includes("error") ? part.error : undefined,
  finally: stages.includes("finally") ? part.finally : undefined
})
