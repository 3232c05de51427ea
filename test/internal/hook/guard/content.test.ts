import { assert, describe, it } from "@effect/vitest"
import { Contents, type Name, names, sanitise } from "../../../../src/internal/hook/guard/content.ts"

const all = new Contents(new Set(names))

const letters = (count: number): string => "aB3".repeat(count).slice(0, count)

const awsSecret = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"

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
    "x\" onload=alert(1)",
    "<svg/onload=alert('a@b.co')>",
    "<ana@example.org onclick=x>",
    "Ana <ana@example.org><b>"
  ],
  sql: [
    "' OR 1=1 --",
    "x') or ('a'='a",
    "x' or 'a'='a",
    "x'or(1)=(1)",
    "d'or'a'='a",
    "d' or(1)=(1)",
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
    "x' and benchmark(5000000,md5(1))",
    "BENCHMARK ( 1e7 , sha1(1))",
    "exec xp_cmdshell",
    "1 WAITFOR DELAY '0:0:5'"
  ],
  template: ["${jndi:ldap://x}", "{{7*7}}", "<%= x %>", "#{x}", "%{x}", "{% x"],
  "path-traversal": ["../etc", "..\\x", "a/../b", "%2e%2e%2fx", "/..", "..%2f", "%252e", "..%252f", "%2e%2e%255c"],
  "aws-key": [
    "AKIAIOSFODNN7EXAMPLE",
    "key=ASIAIOSFODNN7EXAMPLE.",
    `aws_secret_access_key = ${awsSecret}`,
    `AWS_SECRET_ACCESS_KEY=${awsSecret}`,
    `{"SecretAccessKey":"${awsSecret}","a":1}`,
    JSON.stringify(`{"SecretAccessKey":"${awsSecret}"}`),
    `<SecretAccessKey>${awsSecret}</SecretAccessKey>`,
    `secret-key\t${awsSecret}.`,
    `aws-secret: ${awsSecret}`
  ],
  "api-key": [
    `ghp_${letters(36)}`,
    `github_pat_${letters(22)}`,
    `glpat-${letters(20)}`,
    `npm_${letters(36)}`,
    `xoxb-${letters(10)}`,
    `xoxo-523423-234243-${letters(12)}`,
    `xapp-1-${"A1".repeat(5)}-${letters(12)}`,
    `sk_live_${letters(10)}`,
    `sk-${letters(48)}`,
    `sk-proj-${letters(20)}_-${letters(60)}`,
    `sk-svcacct-${letters(80)}`,
    `key=sk-ant-api03-${letters(40)}-_${letters(30)}AA`,
    `sk-or-v1-${"0123abcd".repeat(8)}`,
    `AIza${letters(35)}`
  ],
  jwt: ["eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.abc", "token eyJhbGciOiJub25lIn0.eyJhIjoxfQ."],
  "private-key": ["-----BEGIN PRIVATE KEY-----", "x -----BEGIN RSA PRIVATE KEY-----", "-----BEGIN EC PRIVATE KEY"],
  "basic-auth": [
    `Basic ${btoa("ana:secret")}`,
    `Authorization: basic  ${btoa("ana:a long password with spaces")}`,
    `basic membership, basic ${btoa("sk_live_key:")}, more`,
    `Basic ${btoa(`ana:${"x".repeat(20_000)}`)}`,
    // As it is cut.
    ...[0, 1, 2, 3].map((more) => `Basic ${btoa("ana:a long password").slice(0, 16 + more)}`)
  ],
  "url-password": [
    "postgres://shop:p4ss@db.example/shop",
    "redis://:p4ss@localhost:6379",
    "see https://ana:p:4!ss@shop.example:8080/a?b=c",
    "mongodb+srv://ana:p4ss,word@a.example:27017,b.example",
    "amqp://guest:guest@[::1]:5672",
    "https://hidden:***@a.example, https://ana:p4ss@b.example"
  ],
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
    "1234 4111 1111 1111 1111",
    // The check digits of no account number.
    "DE12 4111 1111 1111 1111",
    "DE86 4401 0046 3223 6211 76",
    "DE85 4401 0046 3223 6211 76, 4111 1111 1111 1111"
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
  // Account numbers with groups that look like a card.
  "DE85 4401 0046 3223 6211 76",
  "IBAN: DE22 5125 0000 5647 0825 95, BIC: HELADEF1TSK",
  "PL51 8600 4476 2235 3361 4020 4802",
  "MSCI World benchmark (EUR)",
  "benchmark (2024)",
  "de-CH,de;q=0.9,en;q=0.8",
  "don't; drop it",
  "text/html; charset=utf-8",
  "It's a 'quoted' text or not",
  "2026-11-22T01:39:52.000Z",
  "a\tb",
  "Zürich, 東京, 👩‍👩‍👧",
  "-----BEGIN CERTIFICATE-----",
  "the bearer of this letter",
  // Identifiers that are as random as a secret.
  "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b",
  "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
  awsSecret,
  btoa(letters(120)),
  `secret key: ${"a".repeat(39)}`,
  `the secret of the key is ${awsSecret}`,
  `secretary ${awsSecret}`,
  "sk-SK,sk;q=0.9",
  "xoxo-hugs-and-kisses",
  "sk-admin-panel-translations-v2",
  `task-${letters(40)}`,
  "xapp-1",
  "basic subscription",
  "BASIC membership, basic internationalisation",
  "Visual Basic 6.0 programming",
  `basic ${"abcdefgh".repeat(3)}`,
  // What has colons and at signs, and no password.
  "https://shop.example:8080/users/@ana:1",
  "http://a.example:8080?mail=ana@example.org",
  "http://a.example:8080,ana@example.org",
  "ana@example.org: https://a.example:443 ana@example.org",
  "git+ssh://git@github.com:org/repo.git",
  "ssh://git@example.org:22/repo",
  "http://[2001:db8::1]:8080/@x",
  "docker://alpine:3.20@sha256:9f86d081884c7d65",
  "https://ana:***@a.example",
  "https://ana:xxxxx@a.example",
  "{\"url\":\"http://a.example:80\",\"mail\":\"ana@example.org\"}",
  "https://shop.example/login?next=https%253A%252F%252Fshop.example%252Fcart",
  "Val-d'Or (QC)",
  "Côte-d'Or (21)",
  "Ballon d'Or 2024",
  "wait... what"
]

const mailboxes = ["Ana Rossi <ana.rossi+shop@mail.example.org>", "<a@b.co>, <c@d.co>"]

describe("the rules about texts", () => {
  it("take a mailbox for an address, and not for a tag", () => {
    assert.deepStrictEqual(mailboxes.map((text) => all.broken(text)), ["email", "email"])
  })

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
    const notEmail = new Contents(new Set(names.filter((name) => name !== "email")))
    for (const text of fine) {
      assert.isUndefined((text.includes("@") ? notEmail : all).broken(text), JSON.stringify(text))
    }
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
      "ghp_",
      "secret key  ",
      "aws_secret",
      "sk-proj-",
      "sk-ant-api03-",
      "basic ",
      "basic YTpi",
      "basic          ",
      "://a:",
      "://",
      "://a:b",
      "://a:***",
      "xapp-1-"
    ]
    const start = performance.now()
    // Something quadratic would take minutes.
    for (const unit of [...units, ...more]) all.broken(unit.repeat(Math.ceil(300_000 / unit.length)))
    assert.isBelow(performance.now() - start, 20_000)
  })

  it("read credentials that are full of colons once", () => {
    const text = `Basic ${btoa(`${":".repeat(6000)}\u0000`)}`
    const start = performance.now()
    for (let i = 0; i < 300; i++) assert.isUndefined(all.broken(text))
    assert.isBelow(performance.now() - start, 1000)
  })

  it("can replace line breaks, and remove control characters", () => {
    assert.strictEqual(sanitise("a\r\nb\u0000c\u202e d\t👩‍👩‍👧\u0085", all), "a  bc d\t👩‍👩‍👧 ")
    assert.strictEqual(sanitise("a\nb\u0000", new Contents(new Set(["line-breaks"]))), "a b\u0000")
  })
})
