/**
 * `sundial sticker`: the code that is printed and stuck to a charge point or till which nobody attends, and what a payer
 * makes of one.
 */
import { writeFileSync } from 'node:fs';
import { resolve } from 'node:path';
import type { Command } from 'commander';
import { renderSVG } from 'uqr';
import { fromHex, toHex } from '../../../../protocol/bytes.ts';
import { SundialError } from '../../../../protocol/errors.ts';
import { seconds } from '../../../../protocol/integers.ts';
import { escaped } from '../html.ts';
import { parseLink } from '../links/address.ts';
import { checkSticker, readSticker, type Sticker, stickerRequest, stickerText } from '../links/sticker.ts';
import { type DeviceFolder, readAnyDevice } from './device-folder.ts';
import { fail } from './output.ts';

interface PrintFlags {
  readonly state: string;
  readonly place: string;
  readonly link: string;
  readonly html?: string;
  readonly svg?: string;
  readonly json: boolean;
}

const now = () => seconds(Math.floor(Date.now() / 1000));
/** A code that survives a scratch: a quarter of it may be gone. */
const svgOf = (text: string): string => renderSVG(text, { ecc: 'Q', border: 4 });

/** Signs the sticker of a terminal. Rejects with `no_terminal` and what a bad place or link is refused with. */
async function signSticker(folder: DeviceFolder, place: string, link: string): Promise<Sticker> {
  const { file, signing, address: terminal, path } = folder;
  const { payee, certificate } = file;
  if (payee === undefined || certificate === undefined)
    throw new SundialError('no_terminal', `${path} is no terminal of a payee`, {
      severity: 'call',
      remedy: 'Name the state folder of a charge point or a till with --state.',
    });
  parseLink(link);
  const named = { place, link, terminal, at: now() };
  const signature = await folder.key().sign(signing.digest('Request', stickerRequest(signing, named)));
  return {
    ...named,
    payee: fromHex(payee, 20),
    certificate: {
      expiresAt: seconds(certificate.expiresAt),
      signature: fromHex(certificate.signature, 64),
    },
    signature,
  };
}

/** One sheet, A6 when it is printed; a file of its own. */
function pageOf(sticker: Sticker, text: string): string {
  const until = new Date(sticker.certificate.expiresAt * 1000).toISOString().slice(0, 10);
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escaped(sticker.place)}</title>
<style>
@page{size:105mm 148mm;margin:0}
*{box-sizing:border-box}
body{margin:0;background:#e8eaed;font:16px/1.4 system-ui,sans-serif;color:#111;display:grid;place-items:center;min-height:100vh}
main{background:#fff;width:min(105mm,100vw);min-height:148mm;padding:8mm;display:flex;flex-direction:column;gap:4mm;text-align:center}
.pay{margin:0;font-size:15px;letter-spacing:.02em}
h1{margin:0;font-size:27px;line-height:1.15;overflow-wrap:anywhere;text-wrap:balance}
figure{margin:0 auto;width:82mm;max-width:100%}figure svg{display:block;width:100%;height:auto}
.check{margin:0;border:1.5px solid #111;border-radius:2mm;padding:2.5mm;font-size:14px}
.small{margin:auto 0 0;font:10px/1.5 ui-monospace,monospace;overflow-wrap:anywhere;color:#333}
@media print{body{background:none;display:block}main{width:auto;height:148mm}}
</style></head>
<body><main>
<p class="pay">Scan to pay here</p>
<h1>${escaped(sticker.place)}</h1>
<figure role="img" aria-label="Code of this place">${svgOf(text)}</figure>
<p class="check">Your device shows the place. Pay only if it is <b>${escaped(sticker.place)}</b>.</p>
<p class="small">terminal ${toHex(sticker.terminal)}<br>payee ${toHex(sticker.payee)}<br>until ${until}</p>
</main></body></html>
`;
}

async function print(flags: PrintFlags): Promise<void> {
  const sticker = await signSticker(readAnyDevice(resolve(flags.state)), flags.place, flags.link);
  const text = stickerText(sticker);
  if (flags.html !== undefined) writeFileSync(flags.html, pageOf(sticker, text));
  if (flags.svg !== undefined) writeFileSync(flags.svg, svgOf(text));
  const { place, link, terminal, payee } = sticker;
  const line = { place, link, terminal: toHex(terminal), payee: toHex(payee), code: text };
  process.stdout.write(flags.json ? `${JSON.stringify(line)}\n` : `${text}\n`);
}

/** What a payer's device reads and believes of a sticker. Throws `bad_sticker`, `sticker_forged`, `sticker_over`. */
export function believedSticker(folder: Pick<DeviceFolder, 'signing'>, text: string): Sticker {
  const sticker = readSticker(text.trim());
  checkSticker(folder.signing, sticker, now());
  return sticker;
}

function read(text: string, { state, json }: { readonly state: string; readonly json: boolean }): void {
  const { place, link, terminal, payee, at, certificate } = believedSticker(
    readAnyDevice(resolve(state)),
    text,
  );
  const line = {
    place,
    terminal: toHex(terminal),
    payee: toHex(payee),
    link,
    at,
    until: certificate.expiresAt,
  };
  if (json) return void process.stdout.write(`${JSON.stringify({ ok: true, ...line })}\n`);
  process.stdout.write(`This place is signed: ${place}\nPay only if you stand there.\n`);
  for (const [name, value] of Object.entries({ terminal: line.terminal, payee: line.payee, link }))
    process.stdout.write(`  ${name.padEnd(8)} ${value}\n`);
}

/** Adds `sticker`. */
export function addStickerCommand(program: Command): void {
  const sticker = program
    .command('sticker')
    .description('the printed code of a charge point or till that nobody attends');
  sticker
    .command('print')
    .description("sign one with the terminal's own key; prints its text, and a sheet or picture of it")
    .requiredOption('--state <folder>', 'state folder of the terminal')
    .requiredOption('--place <name>', 'what people call where it hangs, such as "Harbour car park, bay 7"')
    .option('--link <address>', 'how a payer meets it: an address as of --tap', 'ble:')
    .option('--html <file>', 'a sheet of A6 to print, or to make a PDF of')
    .option('--svg <file>', 'the code alone')
    .option('--json', 'one JSON object', false)
    .action((flags: PrintFlags) => print(flags).catch(fail));
  sticker
    .command('read')
    .description("what a payer's device makes of one")
    .argument('<code>', 'its text, SDP1:...')
    .requiredOption('--state <folder>', 'state folder of the payer: it knows its network')
    .option('--json', 'one JSON object', false)
    .action((text: string, flags: { state: string; json: boolean }) => {
      try {
        read(text, flags);
      } catch (error) {
        fail(error);
      }
    });
}
