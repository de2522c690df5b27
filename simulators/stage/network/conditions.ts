/** How bad the links are right now. Fault windows raise and lower these; shares are in 1,000 messages. */
export interface Conditions {
  tapLoss: number;
  tapDuplicate: number;
  tapReorder: number;
  /** A frame whose checksum does not fit: the receiver learns that something came, nothing else. */
  tapGarble: number;
  /** Added to every tap message, milliseconds. */
  tapSlowMs: number;
  upLoss: number;
  upDuplicate: number;
  upReorder: number;
  downLoss: number;
  downDuplicate: number;
}

export const calm = (): Conditions => ({
  tapLoss: 0,
  tapDuplicate: 0,
  tapReorder: 0,
  tapGarble: 0,
  tapSlowMs: 0,
  upLoss: 0,
  upDuplicate: 0,
  upReorder: 0,
  downLoss: 0,
  downDuplicate: 0,
});
