/** The verifier's page: reads what was given, checks each record, shows what it says. All that it shows is set as text. */
import { SundialError } from '../../../../../protocol/errors.ts';
import { type OcmfCheck, type OcmfItem, ocmfItems } from '../ocmf-record.ts';
import { verifyOcmf } from './verify.ts';
import { type Language, type Word, WORDS } from './words.ts';

/** Bytes of a file that is looked into. */
const FILE_MAX = 1 << 20;

const get = <T extends HTMLElement>(id: string): T => document.getElementById(id) as T;
let language: Language = navigator.language.startsWith('zh') ? 'zh' : 'en';
const word = (name: Word): string => WORDS[language][name];

type Child = Node | string;
function element(tag: string, className: string, ...children: Child[]): HTMLElement {
  const made = document.createElement(tag);
  if (className !== '') made.className = className;
  made.append(...children);
  return made;
}
const row = (name: string, ...children: Child[]): HTMLElement =>
  element('tr', '', element('th', '', name), element('td', '', ...children));

const KINDS: Readonly<Record<string, Word>> = { B: 'begin', E: 'end', L: 'end', R: 'end', C: 'between' };

/** A time as records write it, with how sure the meter's clock was: S stands for one that was set. */
function timeOf(text: string): string {
  const [, day, clock, zone = '', sure] =
    /^(\d{4}-\d\d-\d\d)T(\d\d:\d\d:\d\d)\S*?([+-]\d{4}|Z)?(?: ([A-Z]))?$/.exec(text) ?? [];
  if (day === undefined) return text;
  const offset = zone === 'Z' || zone === '+0000' ? 'UTC' : zone.replace(/(..)$/, ':$1');
  return `${day} ${clock} ${offset}${sure === 'S' ? '' : ` (${word('clockUnsure')})`}`;
}

function readings({ payload }: OcmfCheck): HTMLElement {
  const head = element(
    'tr',
    '',
    element('th', '', word('time')),
    element('th', 'kind', word('kind')),
    element('th', 'number', word('value')),
  );
  const rows = payload.RD.map(({ TM, TX = '', RV, RU, ST }) => {
    const kind = KINDS[TX];
    const said = [kind === undefined ? TX : word(kind), ...(ST === 'G' ? [] : [word('notGood')])].join(' · ');
    return element(
      'tr',
      '',
      element('td', '', timeOf(TM)),
      element('td', '', said),
      element('td', 'number', `${RV} ${RU}`),
    );
  });
  return element('table', '', head, ...rows);
}

/** Of one register, what it moved; nothing when it can't be said. */
function used({ payload: { RD } }: OcmfCheck): string | undefined {
  const [first, last] = [RD[0]!, RD.at(-1)!];
  if (RD.length < 2 || first.RU !== last.RU || first.RI !== last.RI) return undefined;
  return `${Number((last.RV - first.RV).toFixed(6))} ${first.RU}`;
}

function facts(check: OcmfCheck): HTMLElement {
  const { MS, GS, ID, TT } = check.payload;
  const moved = used(check);
  const rows: [Word, string | undefined][] = [
    ['used', moved],
    ['meter', MS ?? GS],
    ['payer', ID],
    ['tariff', TT],
    ['method', check.method],
  ];
  return element(
    'table',
    '',
    ...rows.flatMap(([name, value]) => (value === undefined || value === '' ? [] : [row(word(name), value)])),
  );
}

function card(isGood: boolean, title: string, ...children: Child[]): HTMLElement {
  return element('div', `card ${isGood ? 'good' : 'bad'}`, element('h2', '', title), ...children);
}

/** One record with the key that was given, or else its own. */
function checked({ record, publicKey }: OcmfItem, given: string): HTMLElement {
  const key = given || publicKey;
  if (key === undefined) return card(false, word('noKey'));
  const check = verifyOcmf(record, key);
  if (!check.verified) {
    const why = word(check.reason?.includes('curve') ? 'otherCurve' : 'otherBytes');
    return card(false, word('not'), element('p', '', why), readings(check), facts(check));
  }
  if (given !== '') return card(true, word('verified'), readings(check), facts(check));
  const hint = element('p', 'quiet', `${word('ownKeyHint')} ${key}`);
  return card(true, word('verifiedOwnKey'), hint, readings(check), facts(check));
}

function answers(text: string, key: string): HTMLElement[] {
  const told = (work: () => HTMLElement[]): HTMLElement[] => {
    try {
      return work();
    } catch (error) {
      if (!(error instanceof SundialError)) throw error;
      const isKey = error.code === 'bad_meter_key';
      return [card(false, word(isKey ? 'badKey' : 'badRecord'), element('p', 'quiet', error.message))];
    }
  };
  return told(() => ocmfItems(text).flatMap((item) => told(() => [checked(item, key)])));
}

let shown: (() => HTMLElement[]) | undefined;
function show(): void {
  document.documentElement.lang = language;
  document.title = word('title');
  for (const at of document.querySelectorAll<HTMLElement>('[data-word]'))
    at.textContent = word(at.dataset.word as Word);
  const other = element('button', '', word('language'));
  other.setAttribute('type', 'button');
  other.addEventListener('click', () => {
    language = language === 'en' ? 'zh' : 'en';
    show();
  });
  get('language').replaceChildren(other);
  get('answer').replaceChildren(...(shown?.() ?? []));
}

function check(): void {
  const text = get<HTMLTextAreaElement>('record').value;
  const key = get<HTMLTextAreaElement>('key').value.trim();
  shown = () => answers(text, key);
  show();
}

document.querySelector('form')!.addEventListener('submit', (event) => {
  event.preventDefault();
  check();
});
get<HTMLInputElement>('file').addEventListener('change', async (event) => {
  const file = (event.target as HTMLInputElement).files?.[0];
  if (file === undefined) return;
  if (file.size > FILE_MAX) {
    shown = () => [card(false, word('tooLarge'))];
    return show();
  }
  get<HTMLTextAreaElement>('record').value = await file.text();
  check();
});
show();
