/**
 * An operator's first day, from an empty folder to paid merchants, through the commands that an operator types: a chain
 * node and a broker that are somebody else's, deployment, a hub's folder, merchants, tills and customers enrolled by
 * one-time codes, taps with no network, settlement, statements, a payment that somebody asks for, a withdrawal. What is
 * compared: what the tills said approved for, payment by payment and in sum, with what the hub's statements and L2 say.
 */
import { join } from 'node:path';
import { parseMoney } from '../../hardware/boards/node/cli/money.ts';
import { projectRoot } from '../../hardware/boards/node/cli/paths.ts';
import { connect } from '../../hub/l2/chain.ts';
import type { DeviceChild } from '../demo/device-child.ts';
import { GAS, Shop } from './shop.ts';

/** What a day came to. */
export interface Day {
  readonly ok: boolean;
  readonly steps: number;
  readonly seconds: number;
  readonly payments: number;
  /** The payment that was asked for by amount, day and till is the one that the till approved. */
  readonly found: boolean;
  /** Sales of the statements are what the tills approved; what L2 holds is what the statements call settled. */
  readonly statementBalances: boolean;
}

/** Who pays at which till, and how much. Nothing is above the tap limit of a deposit of 300 (5.25). */
const TAPS: readonly (readonly [customer: number, till: number, price: string])[] = [
  [0, 0, '4.50'],
  [0, 0, '2.25'],
  [0, 1, '1.00'],
  [1, 2, '3.75'],
  [1, 0, '0.50'],
  [1, 2, '4.50'],
];
/** Of which merchant each till is. */
const TILLS = [0, 0, 1] as const;
const MERCHANTS = ['Corner shop', "Ada's bakery"] as const;
/** The day, step by step. `close` ends all that it started, by its own handles. */
export class OperatorsDay {
  private steps = 0;
  private readonly shop: Shop;
  private readonly say: (text: string) => void;

  constructor(folder: string, say: (text: string) => void) {
    // Bundled by tools/operator.mjs: what a source becomes meanwhile changes nothing in a run.
    this.shop = new Shop(join(projectRoot(), 'build', 'operator', 'sundial.mjs'), folder);
    this.say = say;
  }

  private step(words: string): void {
    this.steps += 1;
    this.say(`${String(this.steps).padStart(2)} ${words}`);
  }

  close(): Promise<void> {
    return this.shop.close();
  }

  /** Lives the day. Throws `operator_step` with the command that failed, and `story_waits`. */
  async live(): Promise<Day> {
    const startedAt = Date.now();
    const { shop } = this;
    const { at, folder } = shop;

    this.step('a chain node and a broker that are there already');
    const anvil = await shop.chain();
    const mqttUrl = await shop.broker();

    this.step('init: keys, and the roles of the deployment');
    const roles = await shop.roles(anvil);
    this.step('deploy');
    await shop.deploy(anvil, roles);
    this.step('init again: the folder is complete');
    await shop.complete(anvil, '--name', 'market', '--http-port', '0', '--mqtt-url', mqttUrl);
    await shop.money(anvil, roles, 2, '500');
    this.step('hub');
    await shop.hub();

    this.step('two merchants');
    const payees: string[] = [];
    for (const name of MERCHANTS) {
      const payee = String((await shop.run('payee', 'add', name, ...at)).address);
      // It pays the gas of its withdrawals itself.
      await connect(anvil.url).request({ method: 'anvil_setBalance', params: [payee, GAS] } as never);
      payees.push(payee);
    }

    this.step('three tills, each by a code');
    const tills: DeviceChild[] = [];
    for (const [index, merchant] of TILLS.entries()) {
      const { state, invitation } = await shop.till(index + 1, MERCHANTS[merchant]);
      if (index === 0) {
        const code = await shop.refused('device', 'provision', invitation, '--into', join(folder, 'thief'));
        if (code !== 'code_used') throw new Error(`a used code: ${code}`);
      }
      tills.push(shop.device('pos', state, shop.tapOf(index + 1)));
    }
    this.step('two customers, each by a code, who open their channels');
    const customers: string[] = [];
    for (const index of [1, 2]) customers.push(await shop.customer(index, '300', anvil.url));

    await shop.untilKnown(customers.length);

    this.step('every device meets the hub once, and loses the network');
    const first = customers.map((state) => shop.device('wearable', state, shop.tapOf(1)));
    await Promise.all(first.map((device) => device.start().then(() => device.next('lease'))));
    await Promise.all(first.map((device) => device.stop()));
    for (const till of tills) {
      await till.start();
      await till.until((status) => status.scope !== undefined);
      till.command({ disconnect: true });
      await till.next('disconnected');
    }

    this.step(`${TAPS.length} taps with no network`);
    const approved: { id: string; units: number; till: number; at: number }[] = [];
    for (const [customer, till, price] of TAPS) {
      const wearable = shop.device('wearable', customers[customer]!, shop.tapOf(till + 1), ['--hub', 'none']);
      await wearable.start();
      const { mark } = tills[till]!;
      tills[till]!.command({ sale: price });
      const { voucher } = await tills[till]!.next('approved', () => true, mark);
      await wearable.next('paid');
      await wearable.stop();
      approved.push({ id: String(voucher), units: parseMoney(price), till, at: Date.now() });
    }

    this.step('the network returns: the hub has everything');
    for (const till of tills) {
      till.command({ connect: mqttUrl });
      await till.until((status) => status.outbox === 0);
    }
    this.step('settle');
    await shop.run('settle', ...at);

    this.step('statements');
    let statementBalances = true;
    for (const [index, payee] of payees.entries()) {
      const sold = approved
        .filter(({ till }) => TILLS[till] === index)
        .reduce((sum, { units }) => sum + units, 0);
      const statement = await shop.run('statement', '--payee', MERCHANTS[index]!, ...at);
      this.say(`   ${MERCHANTS[index]}: ${JSON.stringify(statement)}`);
      statementBalances &&=
        statement.payee === payee &&
        statement.sales === sold &&
        statement.closing === sold &&
        statement.settled === sold &&
        statement.inFlight === 0 &&
        statement.onL2 === sold;
    }

    this.step('"4.50 at till 3, today"');
    const wanted = approved.find(({ till, units }) => till === 2 && units === parseMoney('4.50'))!;
    const day = new Date(wanted.at).toISOString().slice(0, 10);
    const search = ['payments', '--amount', '4.50', '--till', 'till 3', '--day', day, ...at];
    const { payments } = (await shop.run(...search)) as { payments: { id: string; state: string }[] };
    const life = (await shop.run('payment', wanted.id.slice(0, 14), ...at)) as { sentence: string };
    this.say(`   ${life.sentence}`);
    const found = payments.length === 1 && payments[0]!.id === wanted.id && payments[0]!.state === 'settled';

    this.step('the doctor finds nothing');
    const { ok: isWell, findings } = (await shop.run('doctor', ...at)) as { ok: boolean; findings: object[] };
    if (!isWell) throw new Error(`the doctor finds ${JSON.stringify(findings)}`);

    this.step('a merchant withdraws, and a till is revoked');
    const { left, withdrawn } = await shop.run('withdraw', '--payee', MERCHANTS[0], ...at);
    const rest = await shop.run('statement', '--payee', MERCHANTS[0], ...at);
    statementBalances &&= left === 0 && rest.onL2 === 0 && rest.settled === withdrawn;
    await shop.run('terminal', 'revoke', 'till 3', ...at);
    const { devices } = (await shop.run('terminal', 'list', ...at)) as {
      devices: { name: string; revokedAt?: number }[];
    };
    const revoked = devices.filter(({ revokedAt }) => revokedAt !== undefined).map(({ name }) => name);
    const ok = found && statementBalances && devices.length === 5 && revoked.join() === 'till 3';
    const seconds = (Date.now() - startedAt) / 1000;
    return { ok, steps: this.steps, seconds, payments: approved.length, found, statementBalances };
  }
}
