// The console in a real browser.
import { compileContracts } from '../../tools/contracts.mjs';

export default {
  needs: [{ program: 'chromium', apt: 'chromium' }],
  run: ({ runUvuFolder }) => {
    compileContracts();
    return runUvuFolder(1);
  },
};
