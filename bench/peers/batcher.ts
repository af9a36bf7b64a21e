/** Collects rows into batches: a row's promise resolves when its batch is committed. For the peer's processes. */

type Waiting<Row> = { readonly row: Row; readonly resolve: () => void; readonly reject: (error: unknown) => void };

/** Writes rows in batches of at most `rowsMax`, each within `flushMs`, several batches at once. */
export class Batcher<Row> {
  readonly #rowsMax: number;
  readonly #flushMs: number;
  readonly #write: (rows: Row[]) => Promise<void>;
  #waiting: Waiting<Row>[] = [];
  #timer: NodeJS.Timeout | undefined;

  constructor(rowsMax: number, flushMs: number, write: (rows: Row[]) => Promise<void>) {
    this.#rowsMax = rowsMax;
    this.#flushMs = flushMs;
    this.#write = write;
  }

  /** Resolves when `row` is committed. */
  add(row: Row): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ row, resolve, reject });
      if (this.#waiting.length >= this.#rowsMax) this.#flush();
      else this.#timer ??= setTimeout(() => this.#flush(), this.#flushMs);
    });
  }

  #flush(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const batch = this.#waiting;
    this.#waiting = [];
    this.#write(batch.map(({ row }) => row)).then(
      () => {
        for (const { resolve } of batch) resolve();
      },
      (error: unknown) => {
        for (const { reject } of batch) reject(error);
      },
    );
  }
}
