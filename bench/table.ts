/** Tables that are read on a terminal as well as in a README: Markdown with its columns aligned. Pure. */

/** A cell; numbers are shown with separators and three or four significant digits. */
export type Cell = string | number;

/** A table of figures. */
export type Table = {
  readonly title: string;
  readonly columns: readonly string[];
  readonly rows: readonly (readonly Cell[])[];
};

/** The table as Markdown, numbers to the right. */
export function renderTable({ title, columns, rows }: Table): string {
  const texts = [columns, ...rows.map((row) => row.map(cellText))];
  const widths = columns.map((_, column) => Math.max(3, ...texts.map((row) => row[column]?.length ?? 0)));
  const isNumber = columns.map((_, column) => rows.every((row) => typeof (row[column] ?? 0) === 'number'));
  const line = (row: readonly string[]) =>
    `| ${widths
      .map((width, column) => {
        const text = row[column] ?? '';
        return isNumber[column] === true ? text.padStart(width) : text.padEnd(width);
      })
      .join(' | ')} |`;
  const rule = `|${widths
    .map((width, column) => (isNumber[column] === true ? `${'-'.repeat(width + 1)}:` : '-'.repeat(width + 2)))
    .join('|')}|`;
  const [head = [], ...body] = texts;
  return [...(title === '' ? [] : [title, '']), line(head), rule, ...body.map(line)].join('\n');
}

/** A cell as text. */
export function cellText(cell: Cell): string {
  if (typeof cell === 'string') return cell;
  if (!Number.isFinite(cell)) return '–';
  const maximumFractionDigits = Math.abs(cell) >= 100 ? 0 : Math.abs(cell) >= 10 ? 1 : Math.abs(cell) >= 1 ? 2 : 3;
  return cell.toLocaleString('en', { maximumFractionDigits });
}
