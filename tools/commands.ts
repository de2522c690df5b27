/**
 * The commands of `sundial`, each with the part of the program that has it. A part is loaded when one of its commands is
 * typed: all of them together are a second of loading (a chain client, a broker, radios, HTTP) before anything happens.
 */
import type { Command } from 'commander';

/** Some commands, in the order of the help, and what adds exactly these to a program. */
export interface Part {
  readonly names: readonly string[];
  readonly load: () => Promise<(program: Command) => void>;
}

/** All commands; `test/cli/commands.test.ts` sees that each part adds the names that it says. */
export const PARTS: readonly Part[] = [
  {
    names: ['demo'],
    load: async () => (await import('../simulators/demo/demo-command.ts')).addDemoCommand,
  },
  { names: ['init'], load: async () => (await import('../hub/cli/init-command.ts')).addInitCommand },
  { names: ['hub'], load: async () => (await import('../hub/cli/hub-command.ts')).addHubCommand },
  { names: ['signer'], load: async () => (await import('../hub/cli/signer-command.ts')).addSignerCommand },
  { names: ['deploy'], load: async () => (await import('../hub/cli/deploy-command.ts')).addDeployCommand },
  { names: ['quote'], load: async () => (await import('../hub/cli/quote-command.ts')).addQuoteCommand },
  { names: ['hub-key'], load: async () => (await import('../hub/cli/hub-key-command.ts')).addHubKeyCommand },
  {
    names: ['wearable', 'car'],
    load: async () => (await import('../hardware/boards/node/cli/payer-commands.ts')).addPayerCommands,
  },
  {
    names: ['pos'],
    load: async () => (await import('../hardware/boards/node/cli/pos-command.ts')).addPosCommand,
  },
  {
    names: ['receipt'],
    load: async () => (await import('../hardware/boards/node/cli/receipt-command.ts')).addReceiptCommand,
  },
  {
    names: ['sticker'],
    load: async () => (await import('../hardware/boards/node/cli/sticker-command.ts')).addStickerCommand,
  },
  { names: ['claim'], load: async () => (await import('../hub/cli/claim-command.ts')).addClaimCommand },
  {
    names: ['charger'],
    load: async () => (await import('../hardware/boards/node/cli/terminal-commands.ts')).addChargerCommand,
  },
  { names: ['sim'], load: async () => (await import('../simulators/cli/sim-command.ts')).addSimCommand },
  {
    names: ['limits'],
    load: async () => (await import('../simulators/cli/limits-command.ts')).addLimitsCommand,
  },
  {
    names: ['proxy'],
    load: async () => (await import('../simulators/cli/proxy-command.ts')).addProxyCommand,
  },
  { names: ['lab'], load: async () => (await import('../simulators/cli/lab-command.ts')).addLabCommand },
  {
    names: ['board'],
    load: async () => (await import('../hardware/boards/node/cli/board-command.ts')).addBoardCommand,
  },
  {
    names: ['gateway'],
    load: async () => (await import('../hardware/boards/node/cli/gateway-command.ts')).addGatewayCommand,
  },
  {
    names: ['ocpp'],
    load: async () => (await import('../hardware/boards/node/cli/ocpp-command.ts')).addOcppCommand,
  },
  {
    names: ['ocmf'],
    load: async () => (await import('../hardware/boards/node/cli/ocmf-command.ts')).addOcmfCommand,
  },
  { names: ['channel'], load: async () => (await import('../hub/cli/channel-command.ts')).addChannelCommand },
  { names: ['doctor'], load: async () => (await import('../hub/cli/doctor-command.ts')).addDoctorCommand },
  {
    names: ['reconcile'],
    load: async () => (await import('../hub/cli/reconcile-command.ts')).addReconcileCommand,
  },
  {
    names: [
      'payee',
      'terminal',
      'device',
      'payments',
      'payment',
      'statement',
      'settle',
      'console',
      'token',
      'webhook',
    ],
    load: async () => {
      const { addPayeeCommand } = await import('../hub/cli/payee-command.ts');
      const { addDeskCommands } = await import('../hub/cli/desk-commands.ts');
      return (program) => addDeskCommands(program, addPayeeCommand(program));
    },
  },
  {
    names: ['withdraw', 'carry', 'payout'],
    load: async () => (await import('../hub/cli/payout-commands.ts')).addPayoutCommands,
  },
];
