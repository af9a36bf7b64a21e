/**
 * Preloaded into one process of a fault scene (`--import`): its wall clock is wrong by FAULTS_CLOCK_SHIFT_MS, from the
 * start or, with FAULTS_CLOCK_LEAPS, from SIGUSR2 on. The monotonic clock stays right, as it does on a machine whose
 * clock is set. Never part of the product.
 */
const shiftMs = Number(process.env['FAULTS_CLOCK_SHIFT_MS'] ?? 0);
const RealDate = Date;
const realNow = RealDate.now.bind(RealDate);
let isShifted = process.env['FAULTS_CLOCK_LEAPS'] !== '1';

process.on('SIGUSR2', () => {
  isShifted = true;
});

const now = (): number => realNow() + (isShifted ? shiftMs : 0);

globalThis.Date = new Proxy(RealDate, {
  construct: (target, args) => (args.length === 0 ? new target(now()) : (Reflect.construct(target, args) as Date)),
  get: (target, name): unknown => (name === 'now' ? now : Reflect.get(target, name)),
});

export {};
