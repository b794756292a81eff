/**
 * Loaded into a node before anything else (`--import`): its wall clock is ahead by `LAB_CLOCK_AHEAD_MS`,
 * as that of a machine whose time is not kept. Clocks that only go forward are left alone.
 */
const aheadMs = Number(process.env.LAB_CLOCK_AHEAD_MS ?? 0);
const Native = Date;

globalThis.Date = new Proxy(Native, {
  construct: (target, args: unknown[], newTarget) =>
    Reflect.construct(target, args.length === 0 ? [Native.now() + aheadMs] : args, newTarget),
  apply: () => new Native(Native.now() + aheadMs).toString(),
  get: (target, property, receiver) =>
    property === 'now' ? () => Native.now() + aheadMs : Reflect.get(target, property, receiver),
});
