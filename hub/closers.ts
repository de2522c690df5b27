/** What a hub opened, to be closed in the opposite order: by its stop, or because its start failed half-way. */
export class Closers {
  private readonly open: (() => Promise<void>)[] = [];
  private closing: Promise<void> | undefined;

  /** `close`: ends what was just opened. */
  push(close: () => Promise<void>): void {
    this.open.push(close);
  }

  /** Closes everything, the last first; what is pushed meanwhile, too. Safe to call twice. */
  close(): Promise<void> {
    this.closing ??= this.closeAll();
    return this.closing;
  }

  private async closeAll(): Promise<void> {
    for (let last = this.open.pop(); last !== undefined; last = this.open.pop()) await last();
  }
}

/** Runs a start; when it fails, closes what it had opened and rejects with its error. */
export async function withClosers<T>(start: (closers: Closers) => Promise<T>): Promise<T> {
  const closers = new Closers();
  try {
    return await start(closers);
  } catch (error) {
    await closers.close();
    throw error;
  }
}
