export const emulator: {
  readonly program: string;
  readonly apt: string;
  readonly memoryBytes: number;
  readonly flashBytes: number;
  readonly controlOffset: number;
  machine(memory: string): string[];
};
