// A till's business, its page in a real browser, and a small day at the tills with kills.
import { compileContracts } from '../../tools/contracts.mjs';

export default {
  needs: [{ program: 'chromium', apt: 'chromium' }],
  run: ({ runUvuFolder }) => {
    compileContracts();
    return runUvuFolder(1);
  },
};
