import { assert, it } from "@effect/vitest"
import { run } from "../soak/audit.ts"

// `npm run soak:audit` kills 200 processes.
it("a process that is killed loses no acknowledged record, and destroys no good line", async () => {
  const { acknowledged, kills, lines, problems } = await run(9, 3)
  assert.deepStrictEqual(problems, [])
  assert.strictEqual(kills, 9)
  assert.isAbove(acknowledged, 0)
  assert.isAtLeast(lines, acknowledged)
})
