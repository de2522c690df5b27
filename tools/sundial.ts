/** `sundial`: one command line for devices, hub, channels and the demonstration. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Command } from 'commander';
import { addBoardCommand } from '../hardware/boards/node/cli/board-command.ts';
import { addChannelCommand } from '../hub/cli/channel-command.ts';
import { addClaimCommand } from '../hub/cli/claim-command.ts';
import { addDoctorCommand } from '../hub/cli/doctor-command.ts';
import { addDeployCommand } from '../hub/cli/deploy-command.ts';
import { addDemoCommand } from '../simulators/demo/demo-command.ts';
import { addGatewayCommand } from '../hardware/boards/node/cli/gateway-command.ts';
import { addDeskCommands } from '../hub/cli/desk-commands.ts';
import { addInitCommand } from '../hub/cli/init-command.ts';
import { addHubCommand } from '../hub/cli/hub-command.ts';
import { addHubKeyCommand } from '../hub/cli/hub-key-command.ts';
import { addOcmfCommand } from '../hardware/boards/node/cli/ocmf-command.ts';
import { addOcppCommand } from '../hardware/boards/node/cli/ocpp-command.ts';
import { errorLine, fail, wantsJson } from '../hardware/boards/node/cli/output.ts';
import { addPayeeCommand } from '../hub/cli/payee-command.ts';
import { addPayoutCommands } from '../hub/cli/payout-commands.ts';
import { addPayerCommands } from '../hardware/boards/node/cli/payer-commands.ts';
import { addReceiptCommand } from '../hardware/boards/node/cli/receipt-command.ts';
import { addReconcileCommand } from '../hub/cli/reconcile-command.ts';
import { addLabCommand } from '../simulators/cli/lab-command.ts';
import { addLimitsCommand } from '../simulators/cli/limits-command.ts';
import { addProxyCommand } from '../simulators/cli/proxy-command.ts';
import { addSimCommand } from '../simulators/cli/sim-command.ts';
import { projectRoot } from '../hardware/boards/node/cli/paths.ts';
import { addPosCommand } from '../hardware/boards/node/cli/pos-command.ts';
import { addChargerCommand } from '../hardware/boards/node/cli/terminal-commands.ts';

const { version } = JSON.parse(readFileSync(join(projectRoot(), 'package.json'), 'utf8'));
const program = new Command('sundial')
  .description('Payments between devices that have no network.')
  .version(version, '--version', 'print the version')
  .showHelpAfterError(wantsJson() ? false : '(add --help for the options)')
  .configureOutput({
    outputError: (text, write) =>
      write(
        wantsJson()
          ? errorLine('usage', text.trim().replace(/^error: /, ''), 'See --help for the options.')
          : text,
      ),
  });
addDemoCommand(program);
addInitCommand(program);
addHubCommand(program);
addDeployCommand(program);
addHubKeyCommand(program);
addPayerCommands(program);
addPosCommand(program);
addReceiptCommand(program);
addClaimCommand(program);
addChargerCommand(program);
addSimCommand(program);
addLimitsCommand(program);
addProxyCommand(program);
addLabCommand(program);
addBoardCommand(program);
addGatewayCommand(program);
addOcppCommand(program);
addOcmfCommand(program);
addChannelCommand(program);
addDoctorCommand(program);
addReconcileCommand(program);
addDeskCommands(program, addPayeeCommand(program));
addPayoutCommands(program);
await program.parseAsync().catch(fail);
