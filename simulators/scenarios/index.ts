/** The scenarios that come with the project, and how one's own are read. */
import { SundialError } from '../../protocol/errors.ts';
import attackClones from './attack-clones.json' with { type: 'json' };
import attackHub from './attack-hub.json' with { type: 'json' };
import attackHubBuries from './attack-hub-buries.json' with { type: 'json' };
import attackMixed from './attack-mixed.json' with { type: 'json' };
import attackRollback from './attack-rollback.json' with { type: 'json' };
import attackTerminals from './attack-terminals.json' with { type: 'json' };
import badFlash from './bad-flash.json' with { type: 'json' };
import chargeSession from './charge-session.json' with { type: 'json' };
import city from './city.json' with { type: 'json' };
import festival from './festival.json' with { type: 'json' };
import hubDownWeek from './hub-down-week.json' with { type: 'json' };
import hunt from './hunt.json' with { type: 'json' };
import huntAdversaries from './hunt-adversaries.json' with { type: 'json' };
import huntAnnouncements from './hunt-announcements.json' with { type: 'json' };
import huntCharge from './hunt-charge.json' with { type: 'json' };
import huntClearances from './hunt-clearances.json' with { type: 'json' };
import huntFlash from './hunt-flash.json' with { type: 'json' };
import huntKeys from './hunt-keys.json' with { type: 'json' };
import huntOffline from './hunt-offline.json' with { type: 'json' };
import huntScopes from './hunt-scopes.json' with { type: 'json' };
import huntTrade from './hunt-trade.json' with { type: 'json' };
import marketDay from './market-day.json' with { type: 'json' };
import tapOffline from './tap-offline.json' with { type: 'json' };
import { contradictions } from './contradictions.ts';
import { wrongFields } from './fields.ts';
import { type Scenario, scenarioSchema } from './schema.ts';

const FILES: readonly unknown[] = [
  tapOffline,
  chargeSession,
  marketDay,
  festival,
  city,
  hubDownWeek,
  badFlash,
  attackClones,
  attackRollback,
  attackMixed,
  attackTerminals,
  attackHub,
  attackHubBuries,
  hunt,
  huntOffline,
  huntFlash,
  huntCharge,
  huntClearances,
  huntScopes,
  huntAdversaries,
  huntKeys,
  huntAnnouncements,
  huntTrade,
];

/** Wrong fields that one message names. */
const WRONG_MAX = 8;

/** Returns the scenario that a JSON value holds. Throws `scenario` naming each wrong field and what it may be. */
export function readScenario(value: unknown, from: string): Scenario {
  const parsed = scenarioSchema.safeParse(value);
  const wrong = parsed.success ? contradictions(parsed.data) : wrongFields(parsed.error.issues, value);
  if (parsed.success && wrong.length === 0) return parsed.data;
  const lines = wrong.slice(0, WRONG_MAX).map(({ field, words }) => `${field}: ${words}`);
  if (wrong.length > WRONG_MAX) lines.push(`and ${wrong.length - WRONG_MAX} more`);
  throw new SundialError('scenario', `${from}: ${lines.join('\n  ')}`, {
    severity: 'call',
    remedy: 'simulators/README.md has a table of all fields, and one of the kinds of faults.',
    facts: { field: wrong[0]!.field },
  });
}

export const SCENARIOS: ReadonlyMap<string, Scenario> = new Map(
  FILES.map((file) => readScenario(file, 'a built-in scenario')).map((scenario) => [scenario.name, scenario]),
);
