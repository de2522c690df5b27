// A hub under a steady load for half a minute, and the verdict that a longer run is judged by (npm run soak).
import { compileContracts } from '../../tools/contracts.mjs';

export default {
  run: ({ runUvuFolder }) => {
    compileContracts();
    return runUvuFolder();
  },
};
