import { assert, describe, it } from "@effect/vitest"
import { FeatureHook } from "effect-openfeature"
import { Fixtures, TestProvider } from "effect-openfeature/testing"
import { untyped } from "../faults/harness.ts"
import { rangeError } from "../support.ts"

const hook = FeatureHook.make("hook", { before: () => {} })

/** What JavaScript lets through, and what the message has to say about it. */
const mistakes: ReadonlyArray<readonly [mistake: () => unknown, owner: string, named: string]> = [
  [() => Fixtures.hookContext(untyped({ flagkey: "a" })), "Fixtures.hookContext", "did you mean \"flagKey\"?"],
  [() => Fixtures.hookContext({ flagValueType: untyped("bool") }), "Fixtures.hookContext", "flagValueType"],
  [() => Fixtures.hookContext({ context: untyped("pro") }), "Fixtures.hookContext", "context"],
  [() => Fixtures.details(untyped({ flag: "a" })), "Fixtures.details", "\"flag\""],
  [() => Fixtures.details({ errorCode: untyped("FLAG_NOTFOUND") }), "Fixtures.details", "errorCode"],
  [() => Fixtures.run(hook, untyped({ hint: {} })), "Fixtures.run", "did you mean \"hints\"?"],
  [() => Fixtures.run(hook, { hints: untyped({}) }), "Fixtures.run", "hints"],
  [() => Fixtures.run(hook, { context: untyped({ plan: "pro" }) }), "Fixtures.run: context", "\"plan\""],
  [() => Fixtures.run(hook, { details: untyped({ code: "GENERAL" }) }), "Fixtures.run: details", "\"code\""],
  [() => TestProvider.value(true, untyped({ variants: "on" })), "TestProvider.value", "did you mean \"variant\"?"],
  [() => TestProvider.value(true, { flagMetadata: untyped("on") }), "TestProvider.value", "flagMetadata"],
  [() => TestProvider.make(untyped({ flag: {} })), "TestProvider.make", "did you mean \"flags\"?"],
  [() => TestProvider.make({ flags: untyped({ sale: true }) }), "TestProvider.make", "flags[\"sale\"]"],
  [() => TestProvider.make({ flags: untyped([]) }), "TestProvider.make", "flags"],
  [() => TestProvider.make({ name: "" }), "TestProvider.make", "name"],
  [() => TestProvider.make({ initialize: untyped(() => {}) }), "TestProvider.make", "initialize"],
  [() => TestProvider.make({ close: untyped(Promise.resolve()) }), "TestProvider.make", "close"],
  [() => TestProvider.make({ hooks: untyped({}) }), "TestProvider.make", "hooks"],
  [() => TestProvider.make({ hooks: [untyped(hook)] }), "TestProvider.make", "OpenFeatureHook.make"]
]

describe("a mistake in a test is refused by name:", () => {
  for (const [mistake, owner, named] of mistakes) {
    it(`${owner}, ${named}`, () => {
      const message = rangeError(mistake)
      assert.isTrue(message.startsWith(`${owner}: `), message)
      assert.include(message, named)
    })
  }
})

describe("a test may try", () => {
  it("what a provider gives in spite of the types", () => {
    const details = Fixtures.details({ variant: untyped(null), reason: untyped(5), flagMetadata: untyped(undefined) })
    assert.isNull(details.variant)
    Fixtures.hookContext({ providerName: untyped(null) })
    TestProvider.value(true, { variant: untyped(5), reason: untyped(null) })
  })
})
