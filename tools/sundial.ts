/** `sundial`: one command line for devices, hub, channels and the demonstration. */
import { Command } from 'commander';
import { addBoardCommand } from '../hardware/boards/node/cli/board-command.ts';
import { addChannelCommand } from '../hub/cli/channel-command.ts';
import { addDemoCommand } from '../simulators/demo/demo-command.ts';
import { addGatewayCommand } from '../hardware/boards/node/cli/gateway-command.ts';
import { addHubCommand } from '../hub/cli/hub-command.ts';
import { addHubKeyCommand } from '../hub/cli/hub-key-command.ts';
import { fail } from '../hardware/boards/node/cli/output.ts';
import { addPayeeCommands } from '../hub/cli/payee-command.ts';
import { addPayerCommands } from '../hardware/boards/node/cli/payer-commands.ts';
import { addReconcileCommand } from '../hub/cli/reconcile-command.ts';
import { addSimCommand } from '../simulators/cli/sim-command.ts';
import { addTerminalCommands } from '../hardware/boards/node/cli/terminal-commands.ts';

const program = new Command('sundial')
  .description('Payments between devices that have no network.')
  .showHelpAfterError('(add --help for the options)');
addDemoCommand(program);
addHubCommand(program);
addHubKeyCommand(program);
addPayerCommands(program);
addTerminalCommands(program);
addSimCommand(program);
addBoardCommand(program);
addGatewayCommand(program);
addChannelCommand(program);
addReconcileCommand(program);
addPayeeCommands(program);
await program.parseAsync().catch(fail);
