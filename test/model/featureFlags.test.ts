import { it } from "@effect/vitest"
import { predict } from "./model.ts"
import { assertSame, everywhere, forEachProgram } from "./programs.ts"

// Hooks of the plain SDK can be at the levels that the SDK alone knows.
const styles = {
  ...everywhere("plain", "effect", "converted"),
  client: ["effect", "converted"],
  invocation: ["effect", "converted"]
} as const

it.effect(
  "does with 10,000 programs of hooks through FeatureFlags what the model says",
  () =>
    forEachProgram(
      10_000,
      { styles, client: "FeatureFlags" },
      (runner, program) =>
        runner.featureFlags(program).then((actual) => assertSame(actual, predict(program, "FeatureFlags")))
    ),
  300_000
)
