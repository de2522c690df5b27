// Charge sessions through real processes and a chain node, with kills: one run, small.
import { compileContracts } from '../../tools/contracts.mjs';

export default {
  run: ({ runUvuFolder }) => {
    compileContracts();
    return runUvuFolder(1);
  },
};
