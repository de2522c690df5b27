/** `sundial`: one command line for devices, hub, channels and the demonstration. */
import { Command } from 'commander';
import { addBoardCommand } from './board-command.ts';
import { addChannelCommand } from './channel-command.ts';
import { addDemoCommand } from './demo-command.ts';
import { addHubCommand } from './hub-command.ts';
import { fail } from './output.ts';
import { addPayeeCommands } from './payee-command.ts';
import { addPayerCommands } from './payer-commands.ts';
import { addReconcileCommand } from './reconcile-command.ts';
import { addSimCommand } from './sim-command.ts';
import { addTerminalCommands } from './terminal-commands.ts';

const program = new Command('sundial')
  .description('Payments between devices that have no network.')
  .showHelpAfterError('(add --help for the options)');
addDemoCommand(program);
addHubCommand(program);
addPayerCommands(program);
addTerminalCommands(program);
addSimCommand(program);
addBoardCommand(program);
addChannelCommand(program);
addReconcileCommand(program);
addPayeeCommands(program);
await program.parseAsync().catch(fail);
