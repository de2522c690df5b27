/**
 * The H of the loss bound (rule 10): of one scope no more terminals are members at a time than the bound counts with, and
 * only terminals of the payees that the scope was given.
 *
 * Not checked here: whether a member is really the terminal that it says it is, and what a wide lease (any terminal)
 * costs.
 */
import { toHex } from '../../protocol/bytes.ts';
import { SCOPE_TERMINALS_MAX } from '../../protocol/limits.ts';
import type { MakeChecker } from './checker.ts';

export const scopeIsSmall: MakeChecker = (simulation, report) => {
  /** When each membership ends, by scope and terminal. */
  const members = new Map<string, Map<string, number>>();
  return {
    name: 'scope is small',
    member({ scope, terminal, expiresAt }) {
      const key = toHex(scope);
      const ends = members.get(key) ?? new Map<string, number>();
      members.set(key, ends);
      ends.set(toHex(terminal), expiresAt);
      const live = [...ends.values()].filter((at) => at >= simulation.world.nowSeconds);
      if (live.length > SCOPE_TERMINALS_MAX)
        report(`${live.length} terminals are members of a scope that may have ${SCOPE_TERMINALS_MAX}`);
      const found = simulation.fleet.terminalOf(terminal);
      const own = found && simulation.fleet.scopeOf(found.merchant.district);
      if (own === undefined || toHex(own) !== key)
        report('a terminal is a member of a scope of other payees');
    },
  };
};
