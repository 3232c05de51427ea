export type Room = 1
