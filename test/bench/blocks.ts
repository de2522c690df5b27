/**
 * How much of a program ran: how often V8 went through each of its blocks, added up. Nearly the same in every run (a
 * ten-thousandth apart), so this says what a thing costs where a clock would say how near its memory lies.
 */
import { type Profiler, Session } from 'node:inspector';

export class BlockCount {
  /** Blocks run so far. */
  total = 0;
  private readonly session = new Session();
  private readonly url: string;

  /** Counts from now on in the scripts whose address ends with `file`. Call it before what shall be counted is loaded. */
  constructor(file: string) {
    this.url = file;
    this.session.connect();
    this.session.post('Profiler.enable');
    this.session.post('Profiler.startPreciseCoverage', { callCount: true, detailed: true });
  }

  /** Adds what ran since the last time. The counters have 32 bits, so at least once an hour of simulated time. */
  take(): void {
    this.session.post('Profiler.takePreciseCoverage', (error, { result }) => {
      if (error !== null) throw new Error(`V8 counts no blocks: ${error.message}`);
      for (const script of result) if (script.url.endsWith(this.url)) this.total += blocksOf(script);
    });
  }
}

const blocksOf = ({ functions }: Profiler.ScriptCoverage): number =>
  functions.reduce((sum, { ranges }) => sum + ranges.reduce((blocks, { count }) => blocks + count, 0), 0);
