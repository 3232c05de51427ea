// What the instances and the test of them agree on.

/** The users that the load comes from. */
export const users = Array.from({ length: 20 }, (_, index) => `user-${index}`)

/** 50 evaluations for each user, and then one more each second. */
export const limit = { limit: 1, window: "1 second", burst: 50 } as const

/** A budget for all users together, of which the load uses more than half and less than all. */
export const budget = { budget: 1500, window: "30 days", thresholds: [0.5, 1] } as const
