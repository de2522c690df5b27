/**
 * A simulated charge point: connectors, a register each, vehicles that take energy, and a queue of transaction messages
 * that survives its own SIGKILL, as OCPP asks of one. It speaks 1.6, 2.0.1 or 2.1 and knows nothing of payments: it
 * starts and stops what its central system and whoever stands before it say.
 */
import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { RPCClient } from 'ocpp-rpc';
import type { Protocol } from '../../hardware/boards/node/ocpp/schemas.ts';
import { strict } from '../../hardware/boards/node/ocpp/schemas.ts';
import { writeDurably } from '../../hardware/boards/node/storage/durable-file.ts';

/** What is in the meter's place: signs a reading; absent: readings are not signed. */
export type SignReading = (reading: {
  readonly wh: number;
  readonly begin: boolean;
  readonly end: boolean;
  readonly at: number;
}) => Promise<{ readonly data: string; readonly publicKey: string }>;

interface Running {
  /** Its own name; in 1.6 the central system's number comes later. */
  readonly id: string;
  number?: number;
  readonly token: string | undefined;
  /** Its register when it began, and what had flowed: the second counts when the register started anew since. */
  readonly startRegister: number;
  readonly startWh: number;
  anew?: boolean;
  seq: number;
  accepted: boolean;
  remoteStartId?: number;
}

interface Plug {
  /** Register, watt-hours; fractions are kept and told rounded down. */
  wh: number;
  /** All that ever flowed here: what the register can't forget. */
  flowed: number;
  /** A vehicle is there, and takes so much more. */
  wants: number;
  plugged: boolean;
  /** The vehicle pauses by itself. */
  paused: boolean;
  token?: string;
  running?: Running;
}

interface Message {
  readonly method: string;
  readonly params: Record<string, unknown>;
  /** 1.6: the transaction whose number the answer gives, or that this message needs. */
  readonly starts?: string;
  readonly needs?: string;
}

interface Stored {
  plugs: Record<number, Plug>;
  queue: Message[];
  /** Numbers that were given to transactions, by their own names. */
  numbers: Record<string, number>;
  /** Sessions that ended here, with what flowed: the truth that the run compares with. */
  done: Record<string, { readonly wh: number; readonly reason: string; readonly anew: boolean }>;
}

export interface ChargePointOptions {
  readonly url: string;
  readonly identity: string;
  readonly protocol: Protocol;
  readonly file: string;
  readonly connectors: number;
  /** Watts of a vehicle, and how many seconds of charging pass in one. */
  readonly watts: number;
  readonly speed: number;
  readonly password?: string;
  readonly sign?: SignReading;
  readonly say: (event: string, facts: Readonly<Record<string, unknown>>) => void;
}

const TICK_MS = 100;
const SAMPLE_MS = 500;
/** Records of this many samples apart are signed, besides the first and the last. */
const SIGNED_EVERY = 5;

export class ChargePoint {
  private readonly options: ChargePointOptions;
  private readonly state: Stored;
  private client: RPCClient | undefined;
  private online = false;
  private sending = false;
  private timers: NodeJS.Timeout[] = [];
  private samples = 0;
  schemaViolations = 0;

  constructor(options: ChargePointOptions) {
    this.options = options;
    const { file, connectors } = options;
    this.state = existsSync(file)
      ? (JSON.parse(readFileSync(file, 'utf8')) as Stored)
      : { plugs: {}, queue: [], numbers: {}, done: {} };
    for (let i = 1; i <= connectors; i++)
      this.state.plugs[i] ??= { wh: 1000 * i, flowed: 0, wants: 0, plugged: false, paused: false };
  }

  private get is16(): boolean {
    return this.options.protocol === 'ocpp1.6';
  }

  private store(): void {
    writeDurably(this.options.file, JSON.stringify(this.state));
  }

  /** Powers up: what ran when the power went is ended, then it connects. */
  async start(): Promise<void> {
    for (const number of this.numbers())
      if (this.plug(number).running !== undefined) await this.end(number, 'PowerLoss');
    this.timers.push(setInterval(() => this.flow(), TICK_MS));
    this.timers.push(setInterval(() => void this.sample(), SAMPLE_MS));
    await this.connect();
  }

  private numbers(): number[] {
    return Object.keys(this.state.plugs).map(Number);
  }

  private plug(number: number): Plug {
    return this.state.plugs[number]!;
  }

  async connect(): Promise<void> {
    const { url, identity, protocol, password } = this.options;
    const client = new RPCClient({
      endpoint: url,
      identity,
      protocols: [protocol],
      ...strict,
      callTimeoutMs: 20_000,
      ...(password !== undefined && { password }),
      backoff: { initialDelay: 100, maxDelay: 500, factor: 2, randomisationFactor: 0.25 },
    } as never);
    this.client = client;
    client.on('strictValidationFailure', ({ method, error }) => {
      this.schemaViolations += 1;
      this.options.say('schemaViolation', { method, error: String(error) });
    });
    client.on('open', () => void this.onOpen());
    client.on('disconnect', () => {
      this.online = false;
      this.options.say('offline', {});
    });
    client.on('socketError', () => undefined);
    for (const [method, handler] of Object.entries(this.commands()))
      client.handle(method, (async ({ params }: { params: never }) => handler(params)) as never);
    await client.connect().catch(() => undefined);
  }

  private async onOpen(): Promise<void> {
    const vendor = { model: 'Simulated', vendorName: 'Sundial' };
    try {
      await this.client!.call(
        'BootNotification',
        this.is16
          ? { chargePointModel: vendor.model, chargePointVendor: vendor.vendorName }
          : { reason: 'PowerUp', chargingStation: vendor },
      );
      this.online = true;
      for (const number of this.numbers()) await this.status(number);
      this.options.say('online', {});
    } catch (error) {
      this.options.say('bootFailed', { error: String(error) });
      return;
    }
    void this.drain();
  }

  /** Cuts the network, or brings it back. */
  async network(on: boolean): Promise<void> {
    if (on) return this.connect();
    this.online = false;
    const { client } = this;
    this.client = undefined;
    await client?.close({ force: true } as never)?.catch(() => undefined);
  }

  /** A message that no central system knows. */
  async vendor(): Promise<unknown> {
    return this.client?.call('DataTransfer', {
      vendorId: 'org.example.nobody',
      messageId: 'Hello',
      data: '{}',
    });
  }

  /** A vehicle that takes so many watt-hours is plugged in. */
  plugIn(number: number, wh: number): void {
    const plug = this.plug(number);
    Object.assign(plug, { plugged: true, wants: wh, paused: false });
    this.store();
    void this.status(number);
    if (plug.token !== undefined) void this.begin(number, plug.token);
  }

  async unplug(number: number): Promise<void> {
    const plug = this.plug(number);
    plug.plugged = false;
    if (plug.running !== undefined) await this.end(number, 'EVDisconnected');
    delete plug.token;
    this.store();
    await this.status(number);
  }

  /** The vehicle pauses, or goes on. */
  pause(number: number, paused: boolean): void {
    this.plug(number).paused = paused;
    this.store();
    void this.status(number);
  }

  /** The register starts anew, as after a meter was changed. */
  async resetRegister(number: number): Promise<void> {
    await this.measure(number);
    const plug = this.plug(number);
    plug.wh = 0;
    if (plug.running !== undefined) plug.running.anew = true;
    this.store();
  }

  /** Somebody shows a token: it starts, or it ends what it started. */
  async show(number: number, token: string): Promise<boolean> {
    const { running, plugged } = this.plug(number);
    if (running !== undefined) {
      if (running.token !== token) return false;
      await this.end(number, 'Local');
      return true;
    }
    if (this.online && !(await this.authorized(token))) return false;
    this.plug(number).token = token;
    if (plugged) await this.begin(number, token);
    return true;
  }

  private async authorized(token: string): Promise<boolean> {
    const asked = this.is16 ? { idTag: token } : { idToken: { idToken: token, type: 'ISO14443' } };
    // A gateway that is killed in the middle answers nothing, and starts nothing.
    const answer = (await this.client!.call('Authorize', asked).catch(() => ({}))) as never as {
      idTagInfo?: { status: string };
      idTokenInfo?: { status: string };
    };
    return (answer.idTagInfo ?? answer.idTokenInfo)?.status === 'Accepted';
  }

  private commands(): Record<string, (params: never) => object> {
    const start = (number: number, token: string, remoteStartId?: number) => {
      const plug = this.state.plugs[number];
      if (plug === undefined || plug.running !== undefined) return { status: 'Rejected' };
      plug.token = token;
      this.store();
      if (plug.plugged) setImmediate(() => void this.begin(number, token, remoteStartId));
      return { status: 'Accepted' };
    };
    const stop = (fits: (running: Running) => boolean) => {
      const number = this.numbers().find((one) => {
        const { running } = this.plug(one);
        return running !== undefined && fits(running);
      });
      if (number === undefined) return { status: 'Rejected' };
      setImmediate(() => void this.end(number, 'Remote'));
      return { status: 'Accepted' };
    };
    return {
      RemoteStartTransaction: ({ connectorId, idTag }: { connectorId: number; idTag: string }) =>
        start(connectorId, idTag),
      RequestStartTransaction: (params: {
        evseId: number;
        remoteStartId: number;
        idToken: { idToken: string };
      }) => start(params.evseId, params.idToken.idToken, params.remoteStartId),
      RemoteStopTransaction: ({ transactionId }: { transactionId: number }) =>
        stop((running) => (running.number ?? this.state.numbers[running.id]) === transactionId),
      RequestStopTransaction: ({ transactionId }: { transactionId: string }) =>
        stop((running) => running.id === transactionId),
      ChangeConfiguration: () => ({ status: 'Accepted' }),
      SetVariables: ({
        setVariableData,
      }: {
        setVariableData: { component: object; variable: object }[];
      }) => ({
        setVariableResult: setVariableData.map(({ component, variable }) => ({
          attributeStatus: 'Accepted',
          component,
          variable,
        })),
      }),
      SetChargingProfile: () => ({ status: 'Accepted' }),
      NotifySettlement: (params: object) => {
        this.options.say('settlement', { ...params });
        return {};
      },
    };
  }

  private async status(number: number): Promise<void> {
    if (!this.online || this.client === undefined) return;
    const { plugged, running, paused, wants } = this.plug(number);
    const idle = paused || wants <= 0;
    const of16 = !plugged
      ? 'Available'
      : running === undefined
        ? 'Preparing'
        : idle
          ? 'SuspendedEV'
          : 'Charging';
    const timestamp = new Date().toISOString();
    await this.client
      .call(
        'StatusNotification',
        this.is16
          ? { connectorId: number, errorCode: 'NoError', status: of16, timestamp }
          : {
              evseId: number,
              connectorId: 1,
              connectorStatus: plugged ? 'Occupied' : 'Available',
              timestamp,
            },
      )
      .catch(() => undefined);
  }

  private register(number: number): number {
    return Math.floor(this.plug(number).wh);
  }

  private async meterValue(number: number, context: string, signed: boolean): Promise<object> {
    const at = Date.now();
    const wh = this.register(number);
    const measurand = 'Energy.Active.Import.Register';
    const record = signed
      ? await this.options.sign?.({
          wh,
          at,
          begin: context === 'Transaction.Begin',
          end: context === 'Transaction.End',
        })
      : undefined;
    const base64 = (text: string): string => Buffer.from(text).toString('base64');
    const sampledValue = this.is16
      ? [
          { value: String(wh), measurand, unit: 'Wh', context },
          ...(record === undefined
            ? []
            : [
                {
                  value: JSON.stringify({
                    signedMeterData: base64(record.data),
                    encodingMethod: 'OCMF',
                    publicKey: record.publicKey,
                  }),
                  measurand,
                  context,
                  format: 'SignedData',
                },
              ]),
        ]
      : [
          {
            value: wh,
            measurand,
            context,
            unitOfMeasure: { unit: 'Wh' },
            ...(record !== undefined && {
              signedMeterValue: {
                signedMeterData: base64(record.data),
                signingMethod: '',
                encodingMethod: 'OCMF',
                publicKey: record.publicKey,
              },
            }),
          },
        ];
    return { timestamp: new Date(at).toISOString(), sampledValue };
  }

  private async begin(number: number, token: string | undefined, remoteStartId?: number): Promise<void> {
    const plug = this.plug(number);
    if (plug.running !== undefined) return;
    const timestamp = new Date().toISOString();
    const running: Running = {
      id: createHash('sha256')
        .update(`${this.options.identity}${number}${timestamp}`)
        .digest('hex')
        .slice(0, 32),
      token,
      startRegister: this.register(number),
      startWh: plug.flowed,
      seq: 0,
      // Offline it charges on its own account, as charge points may be set to.
      accepted: !this.online,
      ...(remoteStartId !== undefined && { remoteStartId }),
    };
    plug.running = running;
    const meterStart = this.register(number);
    if (this.is16) {
      const params = { connectorId: number, idTag: token ?? 'none', meterStart, timestamp };
      this.enqueue({ method: 'StartTransaction', params, starts: running.id });
      // Signed values have no place in the message that starts.
      await this.measure(number, 'Transaction.Begin');
    } else {
      await this.event(
        number,
        'Started',
        remoteStartId === undefined ? 'Authorized' : 'RemoteStart',
        'Transaction.Begin',
      );
    }
    this.options.say('started', { connector: number, transaction: running.id, token });
    void this.status(number);
  }

  private async end(number: number, reason: string): Promise<void> {
    const plug = this.plug(number);
    const { running } = plug;
    if (running === undefined) return;
    delete plug.running;
    delete plug.token;
    const ofRegister = this.register(number) - running.startRegister;
    const wh = running.anew ? Math.floor(plug.flowed - running.startWh) : ofRegister;
    this.state.done[running.id] = { wh, reason, anew: running.anew === true };
    if (this.is16) {
      const transactionData = [await this.meterValue(number, 'Transaction.End', true)];
      const timestamp = new Date().toISOString();
      const meterStop = this.register(number);
      const params = {
        meterStop,
        timestamp,
        reason,
        transactionData,
        ...(running.token !== undefined && { idTag: running.token }),
      };
      this.enqueue({ method: 'StopTransaction', params, needs: running.id });
    } else {
      const why =
        reason === 'Remote' ? 'RemoteStop' : reason === 'EVDisconnected' ? 'EVDeparted' : 'StopAuthorized';
      await this.event(
        number,
        'Ended',
        reason === 'PowerLoss' ? 'AbnormalCondition' : why,
        'Transaction.End',
        running,
        reason,
      );
    }
    this.options.say('ended', { connector: number, transaction: running.id, wh, reason });
    void this.status(number);
  }

  private async event(
    number: number,
    eventType: string,
    triggerReason: string,
    context: string,
    running: Running = this.plug(number).running!,
    stoppedReason?: string,
  ): Promise<void> {
    const { paused, wants } = this.plug(number);
    const seqNo = running.seq;
    running.seq += 1;
    const signed = context !== 'Sample.Periodic' || seqNo % SIGNED_EVERY === 0;
    const { id: transactionId, remoteStartId, token } = running;
    const meterValue = [await this.meterValue(number, context, signed)];
    const chargingState = eventType === 'Ended' ? 'Idle' : paused || wants <= 0 ? 'SuspendedEV' : 'Charging';
    this.enqueue({
      method: 'TransactionEvent',
      params: {
        eventType,
        timestamp: new Date().toISOString(),
        triggerReason,
        seqNo,
        offline: !this.online,
        transactionInfo: {
          transactionId,
          chargingState,
          ...(stoppedReason !== undefined && { stoppedReason }),
          ...(remoteStartId !== undefined && eventType === 'Started' && { remoteStartId }),
        },
        evse: { id: number, connectorId: 1 },
        ...(token !== undefined &&
          eventType !== 'Updated' && { idToken: { idToken: token, type: 'Central' } }),
        meterValue,
      },
      ...(eventType === 'Started' && { starts: transactionId }),
    });
  }

  private async measure(number: number, context = 'Sample.Periodic'): Promise<void> {
    const { running } = this.plug(number);
    if (running === undefined) return;
    if (!this.is16) return this.event(number, 'Updated', 'MeterValuePeriodic', context);
    const signed = context !== 'Sample.Periodic' || this.samples % SIGNED_EVERY === 0;
    const meterValue = [await this.meterValue(number, context, signed)];
    this.enqueue({ method: 'MeterValues', params: { connectorId: number, meterValue }, needs: running.id });
  }

  private async sample(): Promise<void> {
    this.samples += 1;
    for (const number of this.numbers()) await this.measure(number);
  }

  /** A moment of energy. */
  private flow(): void {
    const { watts, speed } = this.options;
    let moved = false;
    for (const number of this.numbers()) {
      const plug = this.plug(number);
      if (plug.running?.accepted !== true || plug.paused || plug.wants <= 0) continue;
      const wh = Math.min(plug.wants, (watts * speed * TICK_MS) / 3_600_000);
      plug.wh += wh;
      plug.flowed += wh;
      plug.wants -= wh;
      moved = true;
      if (plug.wants <= 0) void this.status(number);
    }
    // A register is never less after a power cut than what was told.
    if (moved) this.store();
  }

  private enqueue(message: Message): void {
    this.state.queue.push(message);
    this.store();
    void this.drain();
  }

  /** Sends what waits, one after the other; what has no answer is sent again. */
  private async drain(): Promise<void> {
    if (this.sending) return;
    this.sending = true;
    try {
      while (this.online && this.client !== undefined && this.state.queue.length > 0) {
        const message = this.state.queue[0]!;
        const number = message.needs === undefined ? undefined : this.state.numbers[message.needs];
        const params = { ...message.params, ...(number !== undefined && { transactionId: number }) };
        let answer: {
          transactionId?: number;
          idTagInfo?: { status: string };
          idTokenInfo?: { status: string };
        };
        try {
          answer = (await this.client.call(message.method, params)) as typeof answer;
        } catch (error) {
          this.options.say('notAnswered', { method: message.method, error: String(error) });
          await new Promise((resolve) => setTimeout(resolve, 200));
          continue;
        }
        this.state.queue.shift();
        if (message.starts !== undefined) await this.onStarted(message.starts, answer);
        this.store();
      }
    } finally {
      this.sending = false;
    }
  }

  private async onStarted(
    id: string,
    answer: { transactionId?: number; idTagInfo?: { status: string }; idTokenInfo?: { status: string } },
  ): Promise<void> {
    const status = (answer.idTagInfo ?? answer.idTokenInfo)?.status ?? 'Accepted';
    if (answer.transactionId !== undefined) this.state.numbers[id] = answer.transactionId;
    const number = this.numbers().find((one) => this.plug(one).running?.id === id);
    this.options.say('startAnswered', { transaction: id, number: answer.transactionId, status });
    if (number === undefined) return;
    const { running } = this.plug(number);
    if (status === 'Accepted') running!.accepted = true;
    else await this.end(number, 'DeAuthorized');
  }

  /** All that the run compares with. */
  report(): object {
    const { plugs, queue, done, numbers } = this.state;
    return {
      queue: queue.length,
      online: this.online,
      schemaViolations: this.schemaViolations,
      plugs: Object.entries(plugs).map(([number, { wh, flowed, running, wants }]) => ({
        number: Number(number),
        wh,
        flowed,
        wants,
        running: running?.id,
        accepted: running?.accepted,
      })),
      done: Object.entries(done).map(([id, facts]) => ({ id, ...facts, number: numbers[id] })),
    };
  }
}
