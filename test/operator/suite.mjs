// An operator's first day through the commands: a real chain node, a real broker, real processes.
import { compileContracts } from '../../tools/contracts.mjs';

export default {
  needs: [{ program: 'mosquitto', apt: 'mosquitto' }],
  run: ({ runUvuFolder }) => {
    compileContracts();
    return runUvuFolder(1);
  },
};
