/** Tests of a user who has node:test and no Effect. PlainTestFlags.test.ts runs them. */
import { OpenFeature } from "@openfeature/server-sdk"
import assert from "node:assert/strict"
import { afterEach, beforeEach, describe, test } from "node:test"
import { PlainTestFlags } from "effect-openfeature/testing"

let first: PlainTestFlags.PlainTestFlags

void test("a flag in one line", async (t) => {
  first = await PlainTestFlags.forTest(t, { sale: true })
  assert.equal(await first.client.getBooleanValue("sale", false), true)
})

void test("the provider was closed by the test before", async () => {
  const { errorCode } = await OpenFeature.getClient(first.domain).getBooleanDetails("sale", false)
  assert.equal(errorCode, "PROVIDER_NOT_READY")
})

void describe("flags for each test", () => {
  const flags = PlainTestFlags.eachTest({ beforeEach, afterEach }, { sale: true })

  for (const name of ["first", "second"]) {
    void test(`start anew in the ${name} test`, async () => {
      assert.equal(await flags.client.getBooleanValue("sale", false), true)
      flags.fail("sale", "PARSE_ERROR")
      assert.equal(await flags.client.getBooleanValue("sale", false), false)
      assert.equal(flags.evaluations.length, 2)
    })
  }
})
