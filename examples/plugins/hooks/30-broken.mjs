// This plugin is wrong on purpose: "hook" is misspelt. It does not stop the others.
export default { name: "broken", version: "1.0.0", hooks: [{ name: "broken", hok: {} }] }
