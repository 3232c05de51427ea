import { OpenFeature } from "@openfeature/server-sdk"
OpenFeature.getClient("a")
