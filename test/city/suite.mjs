// A hub of several workers: every ledger and every shared store, the intake over them, processes over real servers.
import { compileContracts } from '../../tools/contracts.mjs';

export default {
  needs: [
    { program: 'mosquitto', apt: 'mosquitto' },
    { program: 'pg_ctlcluster', apt: 'postgresql' },
  ],
  run: ({ runUvuFolder }) => {
    compileContracts();
    return runUvuFolder(1);
  },
};
