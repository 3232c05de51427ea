// Flags in a Nest application: a module that makes the request the evaluation context, and whose hooks are gone after
// app.close().
import "reflect-metadata"
import {
  AsyncLocalStorageTransactionContextPropagator,
  type Client,
  type EvaluationContext,
  InMemoryProvider,
  OpenFeature
} from "@openfeature/server-sdk"
import {
  Controller,
  Get,
  Inject,
  type MiddlewareConsumer,
  Module,
  type NestModule,
  type OnApplicationShutdown,
  type OnModuleInit
} from "@nestjs/common"
import { NestFactory } from "@nestjs/core"
import { ContextValidatorHook, FeatureHook, OpenFeatureHook } from "effect-openfeature"
import type { NextFunction, Request, Response } from "express"

const FLAGS = Symbol("FLAGS")

const contextOf = (request: Request): EvaluationContext => {
  const user = request.get("x-user")
  return { ...(user === undefined ? {} : { targetingKey: user }), plan: request.get("x-plan") ?? "free" }
}

@Module({
  providers: [{ provide: FLAGS, useFactory: () => OpenFeature.getClient() }],
  exports: [FLAGS]
})
class FlagsModule implements NestModule, OnModuleInit, OnApplicationShutdown {
  #removeHooks = (): void => {}

  configure(consumer: MiddlewareConsumer): void {
    const middleware = (request: Request, _response: Response, next: NextFunction): void =>
      OpenFeature.setTransactionContext(contextOf(request), () => next())
    consumer.apply(middleware).forRoutes("*path")
  }

  async onModuleInit(): Promise<void> {
    OpenFeature.setTransactionContextPropagator(new AsyncLocalStorageTransactionContextPropagator())
    await OpenFeature.setProviderAndWait(
      new InMemoryProvider({
        "new-checkout": {
          variants: { on: true, off: false },
          defaultVariant: "off",
          disabled: false,
          contextEvaluator: (context) => context["plan"] === "pro" ? "on" : "off"
        }
      })
    )
    const seen = FeatureHook.make("seen", {
      finally: ({ context, flagKey }, details) =>
        console.log(`${context.targetingKey ?? "nobody"}: ${flagKey} is ${details.variant ?? details.errorCode}`)
    })
    this.#removeHooks = OpenFeatureHook.add(
      OpenFeature,
      seen.pipe(FeatureHook.observe), // a failure of the hook is not one of the request
      ContextValidatorHook.make({ requireTargetingKey: true, mode: "reject" })
    )
  }

  // Runs after the last request.
  async onApplicationShutdown(): Promise<void> {
    this.#removeHooks()
    await OpenFeature.close()
  }
}

@Controller("checkout")
class CheckoutController {
  readonly #flags: Client

  constructor(@Inject(FLAGS) flags: Client) {
    this.#flags = flags
  }

  @Get()
  async checkout(): Promise<string> {
    return await this.#flags.getBooleanValue("new-checkout", false) ? "new" : "old"
  }
}

@Module({ imports: [FlagsModule], controllers: [CheckoutController] })
class AppModule {}

const app = await NestFactory.create(AppModule, { logger: false })
await app.listen(0, "127.0.0.1")

// The rest plays the visitors.
const url = await app.getUrl()
const visit = async (headers: Record<string, string>): Promise<void> => {
  const response = await fetch(`${url}/checkout`, { headers: { ...headers, connection: "close" } })
  console.log(`   ${response.status}: the ${await response.text()} checkout`)
}
await visit({ "x-user": "user-1", "x-plan": "pro" })
await visit({ "x-user": "user-2" })
await visit({})

console.log("hooks while the application runs:", OpenFeature.getHooks().length)
await app.close()
console.log("hooks after it has closed:", OpenFeature.getHooks().length)
