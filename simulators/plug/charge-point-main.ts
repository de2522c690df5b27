/** The simulated charge point as a process: options as JSON in its argument, commands as JSON lines on stdin. */
import { createInterface } from 'node:readline';
import { ChargePoint } from './charge-point.ts';
import { meterIn, type MeterCurve } from './meter.ts';

const say = (event: string, facts: Readonly<Record<string, unknown>>): void =>
  void process.stdout.write(`${JSON.stringify({ event, ...facts })}\n`);
type Options = Omit<ConstructorParameters<typeof ChargePoint>[0], 'say' | 'sign'> & {
  readonly curve?: MeterCurve;
};
const { curve, ...options } = JSON.parse(process.argv[2]!) as Options;
const sign = curve && (await meterIn(`${options.file}.meter`, `SIM-${options.identity}`, curve));
const point = new ChargePoint({ ...options, ...(sign && { sign }), say });

type Wish = readonly [name: string, ...args: never[]];
const WISHES: Readonly<Record<string, (...args: never[]) => unknown>> = {
  plugIn: (number: number, wh: number) => point.plugIn(number, wh),
  unplug: (number: number) => point.unplug(number),
  pause: (number: number, paused: boolean) => point.pause(number, paused),
  resetRegister: (number: number) => point.resetRegister(number),
  show: (number: number, token: string) => point.show(number, token),
  network: (on: boolean) => point.network(on),
  vendor: () => point.vendor(),
  report: () => point.report(),
};
createInterface({ input: process.stdin })
  .on('line', (line) => {
    const [name, ...args] = JSON.parse(line) as Wish;
    void Promise.resolve(WISHES[name]!(...args)).then(
      (answer) => say('did', { wish: name, answer }),
      (error) => say('failed', { wish: name, error: String(error) }),
    );
  })
  .on('close', () => process.exit(0));
await point.start();
say('ready', {});
