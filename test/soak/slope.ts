/** The slope of the line that fits best. */
export const slope = (points: ReadonlyArray<readonly [number, number]>): number => {
  const meanX = points.reduce((sum, [x]) => sum + x, 0) / points.length
  const meanY = points.reduce((sum, [, y]) => sum + y, 0) / points.length
  const up = points.reduce((sum, [x, y]) => sum + (x - meanX) * (y - meanY), 0)
  return up / points.reduce((sum, [x]) => sum + (x - meanX) ** 2, 0)
}
