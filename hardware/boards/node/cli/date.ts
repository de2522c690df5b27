/** Times as people read them. */

/** Unix seconds as `2027-01-15 08:00:00`, UTC. */
export const dateText = (at: number): string =>
  new Date(at * 1000).toISOString().slice(0, 19).replace('T', ' ');
