// An audit trail in a file: one line of JSON for each evaluation, also of those that failed, with tamper evidence.
import { FlagdProvider } from "@openfeature/flagd-provider"
import { OpenFeature } from "@openfeature/server-sdk"
import { Redacted } from "effect"
import { ContextValidatorHook, OpenFeatureHook, Privacy } from "effect-openfeature"
import { AuditFile } from "effect-openfeature/node"
import { spawnSync } from "node:child_process"
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"

const folder = mkdtempSync(join(tmpdir(), "audit-trail-"))
const path = join(folder, "audit.jsonl")

await OpenFeature.setProviderAndWait(
  new FlagdProvider({
    resolverType: "in-process",
    offlineFlagSourcePath: fileURLToPath(new URL("flags.json", import.meta.url))
  })
)

// A record counts as written when the disk has it. The user is recognisable, but not named.
const audit = await AuditFile.start(path, {
  guarantee: "synced",
  tamperEvidence: true,
  context: ["plan"],
  targetingKey: Privacy.hmac(Redacted.make("a secret of at least 16 bytes"))
})

const client = OpenFeature.getClient()
client.addHooks(
  OpenFeatureHook.make(audit.hook, ContextValidatorHook.make({ requireTargetingKey: true, mode: "reject" }))
)

const user = { targetingKey: "user-1", plan: "pro", email: "someone@example.com" }
await client.getBooleanValue("new-checkout", false, user)
await client.getStringValue("banner", "", user)
await client.getBooleanValue("no-such-flag", false, user)
await client.getBooleanValue("new-checkout", false, { plan: "free" })

await audit.close()
console.log(`${audit.counts().written} records in ${path}`)
console.log(readFileSync(path, "utf8"))

// What `npx effect-openfeature audit …` does in an application.
const command = fileURLToPath(new URL("../src/node/internal/bin.ts", import.meta.url))
const run = (...args: ReadonlyArray<string>): void => {
  console.log(`\n$ npx effect-openfeature audit ${[...args, "audit.jsonl"].join(" ")}`)
  spawnSync(process.execPath, ["--import", "tsx", command, "audit", ...args, path], { stdio: "inherit" })
}
run()
run("--error", "--flag", "new-*")
run("--summary")
run("--verify")
writeFileSync(path, readFileSync(path, "utf8").replace("FLAG_NOT_FOUND", "GENERAL"))
console.log("\nsomebody has changed the error of a record")
run("--verify")

await OpenFeature.close()
rmSync(folder, { recursive: true })
