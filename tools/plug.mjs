// npm run plug: charge sessions in OCPP under kills of charge points, gateway, hub and payers.
import { runProgram } from './program.mjs';

await runProgram({
  folder: 'plug',
  entries: {
    plug: 'simulators/plug/main.ts',
    sundial: 'tools/sundial.ts',
    'charge-point': 'simulators/plug/charge-point-main.ts',
  },
  contracts: true,
});
