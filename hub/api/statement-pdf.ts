/**
 * A merchant's statement as a PDF of one page, for whoever files it. Its letters are those of PDF's own fonts (Western
 * European): a name with others has a ? for each, and the address above it says for certain whose statement it is.
 */
import PDFDocument from 'pdfkit';
import { amountText } from './amounts.ts';
import type { Statement } from './payments.ts';
import { dateTime, NOW_ROWS, periodOf, ROWS } from './statement-forms.ts';

const MARGIN = 56;
const [REGULAR, BOLD] = ['Helvetica', 'Helvetica-Bold'] as const;

/** What PDF's own fonts can write: Latin-1, without its control characters. */
const writable = (text: string): string => text.replace(/[^\x20-\x7e\xa0-\xff]/gu, '?');

/** The page. `at`: seconds, now. Always the same bytes for the same statement and time. */
export function statementPdf(statement: Statement, at: number): Promise<Uint8Array> {
  const title = `Statement ${writable(statement.merchant ?? statement.payee)}`;
  const page = new PDFDocument({
    size: 'A4',
    margin: MARGIN,
    lang: 'en',
    displayTitle: true,
    info: {
      Title: title,
      Creator: 'Sundial',
      CreationDate: new Date(at * 1000),
      ModDate: new Date(at * 1000),
    },
  });
  const parts: Uint8Array[] = [];
  const whole = new Promise<Uint8Array>((resolve, reject) => {
    page.on('data', (part: Uint8Array) => parts.push(part));
    page.on('end', () => resolve(Buffer.concat(parts)));
    page.on('error', reject);
  });
  const width = page.page.width - 2 * MARGIN;
  const row = (words: string, units: number, isSum: boolean): void => {
    const y = page.y + 6;
    page
      .moveTo(MARGIN, y - 3)
      .lineTo(MARGIN + width, y - 3)
      .lineWidth(isSum ? 1.2 : 0.4)
      .stroke();
    page.font(isSum ? BOLD : REGULAR);
    page.text(words, MARGIN, y, { width, continued: false });
    page.text(amountText(units), MARGIN, y, { width, align: 'right' });
  };
  const heading = (words: string): void =>
    void page.moveDown(1.5).font(BOLD).fontSize(11).text(words, MARGIN).fontSize(11);
  page.font(BOLD).fontSize(20).text('Statement').moveDown(0.3);
  page
    .font(REGULAR)
    .fontSize(11)
    .text(statement.payee)
    .text(writable(statement.merchant ?? 'Merchant'));
  page.text(`${periodOf(statement)}, ${statement.payments} payments, amounts in TIME`);
  heading('The period');
  for (const [words, field, sign] of ROWS) row(words, sign * statement[field], field === 'closing');
  heading(`As of ${dateTime(at).replace('T', ' ')} UTC`);
  for (const [words, field] of NOW_ROWS) row(words, statement[field], false);
  page.end();
  return whole;
}
