import { it } from "@effect/vitest"
import { predict } from "./model.ts"
import { assertSame, everywhere, forEachProgram } from "./programs.ts"

it.effect(
  "does with 30,000 programs of hooks on a client of the SDK what the model says",
  () =>
    forEachProgram(
      30_000,
      { styles: everywhere("plain", "effect", "converted"), client: "sdk" },
      (runner, program) => runner.plain(program).then((actual) => assertSame(actual, predict(program, "sdk")))
    ),
  300_000
)
