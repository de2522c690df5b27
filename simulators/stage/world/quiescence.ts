/**
 * Waits until every promise that can go on has gone on: one turn of the event loop, before which all of them are
 * handled, however long their chains are. A count of awaits instead would give another history with every edit.
 */

type Channel = InstanceType<typeof MessageChannel>;

/** A message port is the quickest turn of the loop there is; timers and immediates take several times as long. */
export class Quiescence {
  private channel: Channel | undefined;
  private go: (() => void) | undefined;

  /** Resolves at rest. One caller at a time. */
  reached(): Promise<void> {
    const { port1, port2 } = this.open();
    return new Promise((resolve) => {
      this.go = resolve;
      port2.postMessage(undefined);
      // A port that listens keeps the process alive until it is closed.
      port1.ref();
    });
  }

  private open(): Channel {
    if (this.channel === undefined) {
      this.channel = new MessageChannel();
      this.channel.port1.on('message', () => this.go?.());
    }
    return this.channel;
  }

  close(): void {
    this.channel?.port1.close();
    this.channel = undefined;
  }
}
