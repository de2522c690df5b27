// Types of sundial/testing: world.ts has them.
export { magicWearables, openWorld } from './world.ts';
export type { SaleResult, Span, VirtualTill, VirtualWearable, World, WorldOptions } from './world.ts';
