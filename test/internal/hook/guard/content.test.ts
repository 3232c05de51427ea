import { assert, describe, it } from "@effect/vitest"
import { Contents, type Name, names, sanitise } from "../../../../src/internal/hook/guard/content.ts"

const all = new Contents(new Set(names))

const letters = (count: number): string => "aB3".repeat(count).slice(0, count)

const bad: Readonly<Record<Name, ReadonlyArray<string>>> = {
  "control-characters": ["a\u0000b", "\u001b[31m", "a\u202eb", "\u007f", "\u009b", "\ufeffa", "\u2066"],
  "line-breaks": ["a\nb", "a\u2028b", "a\r", "\u0085"],
  html: [
    "<script>",
    "a</a>",
    "<!--",
    "%3Cscript",
    "&lt;script&gt;",
    "&#60;b",
    "&#x3c;b",
    "javascript:alert(1)",
    "VBScript :x",
    "x\" onload=alert(1)"
  ],
  sql: [
    "' OR 1=1 --",
    "x') or ('a'='a",
    "x' or 'a'='a",
    "'; DROP TABLE users",
    "1; drop table users",
    "1 UNION SELECT a",
    "1 union all select b",
    "1/**/union/**/select b",
    "admin'--",
    "admin'/*",
    "1 or 1=1",
    "sleep(5)",
    "pg_sleep (5)",
    "exec xp_cmdshell",
    "1 WAITFOR DELAY '0:0:5'"
  ],
  template: ["${jndi:ldap://x}", "{{7*7}}", "<%= x %>", "#{x}", "%{x}", "{% x"],
  "path-traversal": ["../etc", "..\\x", "a/../b", "%2e%2e%2fx", "/..", "..%2f", "%252e"],
  "aws-key": ["AKIAIOSFODNN7EXAMPLE", "key=ASIAIOSFODNN7EXAMPLE."],
  "api-key": [
    `ghp_${letters(36)}`,
    `github_pat_${letters(22)}`,
    `glpat-${letters(20)}`,
    `npm_${letters(36)}`,
    `xoxb-${letters(10)}`,
    `sk_live_${letters(10)}`,
    `AIza${letters(35)}`
  ],
  jwt: ["eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.abc", "token eyJhbGciOiJub25lIn0.eyJhIjoxfQ."],
  "private-key": ["-----BEGIN PRIVATE KEY-----", "x -----BEGIN RSA PRIVATE KEY-----", "-----BEGIN EC PRIVATE KEY"],
  "bearer-token": ["Bearer abcdefghijklmnopqrst", "authorization: bearer 0123456789abcdef"],
  "credit-card": [
    "4111 1111 1111 1111",
    "4111111111111111",
    "x 5555-5555-5555-4444 y",
    "378282246310005",
    "3782 822463 10005",
    "6011111111111117",
    "3530111333300000",
    "30569309025904",
    "1234 4111 1111 1111 1111"
  ],
  email: ["a@b.co", "Ana <ana.b+c@mail.example.org"]
}

const fine = [
  "",
  "O'Reilly",
  "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0.0.0 Safari/537.36",
  "https://shop.example/cart?a=1&b=2&online=1",
  "1.2.3-beta.4",
  "550e8400-e29b-41d4-a716-446655440000",
  "4111-1111-1111-1112",
  "41111111-1111-4111-8111-111111111111",
  "select a union member",
  "price < 5 & more",
  "rock 'n' roll",
  "C:\\Users\\ana",
  "AT&T",
  "10:30",
  "{\"a\":{\"b\":1}}",
  "1732240000000",
  "1234567890123456",
  "0.4111111111111111",
  "de-CH,de;q=0.9,en;q=0.8",
  "don't; drop it",
  "text/html; charset=utf-8",
  "It's a 'quoted' text or not",
  "2026-11-22T01:39:52.000Z",
  "a\tb",
  "Zürich, 東京, 👩‍👩‍👧",
  "-----BEGIN CERTIFICATE-----",
  "the bearer of this letter",
  "wait... what"
]

describe("the rules about texts", () => {
  for (const name of names) {
    it(`${name} finds its typical forms, and nothing does without it`, () => {
      const only = new Contents(new Set([name]))
      const none = new Contents(new Set<string>())
      for (const text of bad[name]) {
        assert.strictEqual(only.broken(text), name, JSON.stringify(text))
        assert.isDefined(all.broken(`some text before, ${text}`), JSON.stringify(text))
        assert.isUndefined(none.broken(text))
      }
    })
  }

  it("leave texts of everyday life alone", () => {
    for (const text of fine) assert.isUndefined(all.broken(text), JSON.stringify(text))
  })

  it("take time proportional to the length of a text", () => {
    const units = [
      "'",
      "' ",
      "eyJ",
      "eyJa.",
      "(",
      "1234 ",
      "4",
      "%2e",
      "..",
      "on",
      "&lt",
      "a@",
      "' or",
      " or 1",
      "union "
    ]
    const more = [
      "bearer ",
      "-----BEGIN A",
      "javascript ",
      "\" on",
      "'#  ",
      "\";",
      "1234-",
      "; ",
      "sleep",
      "AKIA",
      "ghp_"
    ]
    const start = performance.now()
    // Something quadratic would take minutes.
    for (const unit of [...units, ...more]) all.broken(unit.repeat(Math.ceil(300_000 / unit.length)))
    assert.isBelow(performance.now() - start, 20_000)
  })

  it("can replace line breaks, and remove control characters", () => {
    assert.strictEqual(sanitise("a\r\nb\u0000c\u202e d\t👩‍👩‍👧\u0085", all), "a  bc d\t👩‍👩‍👧 ")
    assert.strictEqual(sanitise("a\nb\u0000", new Contents(new Set(["line-breaks"]))), "a b\u0000")
  })
})
