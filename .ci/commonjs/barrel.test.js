// The barrel of effect reads import.meta, which nothing turns into CommonJS.
const { Effect } = require("effect")

test("effect", () => expect(Effect.runSync(Effect.succeed(1))).toBe(1))
