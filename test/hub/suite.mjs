// The hub: ledger, intake, broker, settlement on a real chain, and processes that are killed.
import { compileContracts } from '../../tools/contracts.mjs';

export default {
  name: 'hub',
  async run({ runUvuFolder }) {
    compileContracts();
    return runUvuFolder();
  },
};
