/**
 * Import of residents from a CSV file, read as it comes. API process. All good lines are written in one
 * transaction: an import whose file breaks off or whose connection is lost has written nothing. Holds three
 * chunks of the file in memory, and a connection to PostgreSQL for as long as the file takes.
 */
import { createRoute, z } from '@hono/zod-openapi';
import type { Context } from 'hono';
import { holdList, type ImportChunk, ResidentWriter, takeTurn } from '../db/import.ts';
import type { ImportedResident } from '../db/import-chunk.ts';
import type { Run } from '../db/scope.ts';
import type { Id } from '../handoff.ts';
import { answer } from './answer.ts';
import type { TenantEnv } from './authentication.ts';
import { bodyChunks, refuseLonger } from './body.ts';
import { type CsvRecord, type CsvRefusal, CsvReader } from './csv.ts';
import { type Header, type LineError, importColumns, readHeader, readRow } from './import-rows.ts';
import type { ApiLimits } from './limits.ts';
import type { Parts } from './parts.ts';
import type { Country } from './phone.ts';
import { ProblemFault } from './problems.ts';
import { Routes } from './routes.ts';
import { idSchema, jsonResponse, problemResponses, tenantSecurity } from './schemas.ts';

/** Errors that a report lists; the rest is counted. */
const errorsMax = 1000;

const reportSchema = z
  .object({
    read: z.int().openapi({ description: 'Lines read, without header and empty lines.' }),
    created: z.int(),
    updated: z.int(),
    refused: z.int().openapi({ description: 'Lines with something wrong. All others were imported.' }),
    errors: z.array(
      z.object({
        line: z.int().openapi({ description: 'Line of the file; the header is 1.' }),
        field: z.string().openapi({ description: 'Column at fault; empty when it is the whole line.' }),
        message: z.string(),
      }),
    ),
    errorsTruncated: z.boolean().openapi({ description: `There are more than ${errorsMax} errors.` }),
  })
  .openapi('ImportReport');

const importFile = createRoute({
  method: 'post',
  path: '/residents/import',
  tags: ['residents'],
  security: tenantSecurity,
  summary: 'Import residents from a CSV file',
  description:
    `The first line names the columns: ${importColumns.join(', ')}. The delimiter is a comma, a semicolon or a ` +
    'tab; the encoding is UTF-8. Residents with a known external reference are updated: columns that the file does ' +
    'not have stay, and numbers become those of the line. A line with something wrong is reported and left out.',
  request: {
    query: z.strictObject({
      list: idSchema.optional().openapi({ description: 'Everybody of the file is put on this list.' }),
    }),
    body: { required: true, content: { 'text/csv': { schema: z.string() } } },
  },
  responses: { 200: jsonResponse(reportSchema, 'What was imported and what was not'), ...problemResponses },
});

/** The route of the import. */
export function residentImportRoutes({ authentication, limits }: Parts) {
  const app = new Routes<TenantEnv>();
  let running = 0;
  app.openapi({ ...importFile, middleware: [authentication.tenant] }, async (c) => {
    const { scoped, country } = c.var.tenant;
    const { list } = c.req.valid('query');
    refuseOther(c, limits);
    if (running >= limits.importsAtOnceMax) throw new ProblemFault('busy', 'Other imports are running. Try again.');
    running += 1;
    try {
      const report = await scoped.transaction((run) => importBody(c, new Import(run, country, list, limits), limits));
      return answer(c, report, 200);
    } finally {
      running -= 1;
    }
  });
  return app;
}

function refuseOther(c: Context, limits: ApiLimits): void {
  const type = /^text\/csv\s*(?:;\s*(?:charset=("?)utf-8\1|header=\w+)\s*)*$/iu;
  if (!type.test(c.req.header('content-type') ?? '')) {
    throw new ProblemFault('media-type', 'Send the file as text/csv, in UTF-8.');
  }
  refuseLonger(c, limits.importBytesMax);
}

async function importBody(c: Context, work: Import, limits: ApiLimits): Promise<z.infer<typeof reportSchema>> {
  try {
    await work.begin();
    const reader = new CsvReader(limits.importLineBytesMax);
    for await (const chunk of bodyChunks(c, limits.importBytesMax)) await work.take(reader.push(chunk));
    await work.take(reader.end());
    return await work.finish();
  } finally {
    await work.settle();
  }
}

/** One import on its way. */
class Import {
  private readonly run: Run;
  private readonly country: Country;
  private readonly list: Id | undefined;
  private readonly chunkRows: number;
  private header: Extract<Header, { kind: 'header' }> | undefined;
  private writer: ResidentWriter | undefined;
  private chunk: ImportedResident[] = [];
  /** Where in the chunk a reference is: the later of two lines with one reference holds, as it would alone. */
  private readonly places = new Map<string, number>();
  /** The chunk that PostgreSQL is working on, and the one behind it. */
  private writing: readonly [Promise<void>, Promise<void>] = [Promise.resolve(), Promise.resolve()];
  /** From then on no other import of the organisation writes. */
  private turn: Promise<boolean> | undefined;
  private read = 0;
  private created = 0;
  private updated = 0;
  private refused = 0;
  private readonly errors: LineError[] = [];
  private errorsTruncated = false;

  constructor(run: Run, country: Country, list: Id | undefined, limits: ApiLimits) {
    this.run = run;
    this.country = country;
    this.list = list;
    this.chunkRows = limits.importChunkRows;
  }

  async begin(): Promise<void> {
    if (this.list === undefined || (await holdList(this.run, this.list))) return;
    throw new ProblemFault('unknown-list', 'There is no such list.', { field: 'list' });
  }

  async take(records: readonly CsvRecord[] | CsvRefusal): Promise<void> {
    if (records === 'utf-16') throw new ProblemFault('csv', 'The file is UTF-16; save it as UTF-8.');
    for (const record of records) {
      if (this.header === undefined) this.takeHeader(record);
      else this.takeRow(record, this.header.columns);
      if (this.chunk.length >= this.chunkRows) await this.flush();
    }
  }

  async finish(): Promise<z.infer<typeof reportSchema>> {
    if (this.header === undefined) throw new ProblemFault('csv', 'The file is empty.');
    await this.flush();
    for (const written of this.writing) await written;
    const { read, created, updated, refused, errors, errorsTruncated } = this;
    return { read, created, updated, refused, errors, errorsTruncated };
  }

  /** Waits until nothing uses the connection any more, whatever came of it. */
  async settle(): Promise<void> {
    await Promise.allSettled(this.writing);
  }

  private takeHeader(record: CsvRecord): void {
    const header = readHeader(record);
    if (header.kind === 'refused') throw new ProblemFault('csv', header.because);
    this.header = header;
    this.writer = new ResidentWriter(this.run, header.given, this.list);
  }

  private takeRow(record: CsvRecord, columns: Parameters<typeof readRow>[1]): void {
    this.read += 1;
    const found: LineError[] = [];
    const resident = readRow(record, columns, this.country, found);
    if (resident === undefined) return this.refuse(found);
    const reference = resident.externalReference;
    const place = reference === null ? undefined : this.places.get(reference);
    if (place !== undefined) {
      this.chunk[place] = resident;
      this.updated += 1;
      return;
    }
    if (reference !== null) this.places.set(reference, this.chunk.length);
    this.chunk.push(resident);
  }

  private refuse(found: readonly LineError[]): void {
    this.refused += 1;
    const room = errorsMax - this.errors.length;
    this.errors.push(...found.slice(0, room));
    this.errorsTruncated ||= found.length > room;
  }

  /**
   * Gives the chunk to PostgreSQL, which works on it while the next ones are read. Waits for the last but one, so that
   * PostgreSQL has the next chunk when it is done with one.
   */
  private async flush(): Promise<void> {
    // Put into its form while PostgreSQL works, which then need not wait for that.
    const chunk = this.chunk.length === 0 ? undefined : this.writer?.chunk(this.chunk);
    const [first, second] = this.writing;
    await first;
    if (chunk === undefined) return;
    const written = this.write(chunk);
    // A failure belongs to who waits for it, which may be later than it happens.
    written.catch(() => undefined);
    this.writing = [second, written];
    this.chunk = [];
    this.places.clear();
  }

  private async write(chunk: ImportChunk): Promise<void> {
    this.turn ??= takeTurn(this.run);
    if (!(await this.turn)) {
      throw new ProblemFault('busy', 'Another import of this organisation is running. Try again.');
    }
    const counts = await this.writer?.write(chunk);
    this.created += counts?.created ?? 0;
    this.updated += counts?.updated ?? 0;
  }
}
