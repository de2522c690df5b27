// What devices and the hub do at their edges; the hub's part runs on a real chain.
import { compileContracts } from '../../tools/contracts.mjs';

export default {
  name: 'edges',
  async run({ runUvuFolder }) {
    compileContracts();
    return runUvuFolder();
  },
};
