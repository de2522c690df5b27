// The vault on a real node, driven by the hub's own client.
import { compileContracts } from '../../tools/contracts.mjs';

export default {
  name: 'vault',
  async run({ runUvuFolder }) {
    compileContracts();
    return runUvuFolder();
  },
};
