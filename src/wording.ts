/**
 * What is told about a part of a request, a setting or a carriers file that its schema refuses, where the schema does
 * not say it itself: in words of ours, which say what to give instead. Pure.
 */

/** What zod found; only what is looked at here. `input` is undefined where nothing was given. */
export type Issue = {
  readonly code: string;
  readonly input?: unknown;
  readonly expected?: string;
  readonly values?: readonly unknown[];
  readonly origin?: string;
  readonly minimum?: number | bigint;
  readonly maximum?: number | bigint;
  /** Of a key. */
  readonly issues?: readonly { readonly message: string }[];
  /** Of each choice. */
  readonly errors?: readonly (readonly { readonly message: string }[])[];
};

const nouns: Readonly<Record<string, string>> = {
  string: 'a text',
  number: 'a number',
  int: 'a whole number',
  boolean: 'true or false',
  array: 'a list',
  object: 'an object',
  record: 'an object',
};

/** The words for an issue, to follow the name of its field. */
export function issueWords(issue: Issue): string {
  switch (issue.code) {
    case 'invalid_type':
      return wanted(issue, nouns[issue.expected ?? ''] ?? 'of another type');
    case 'invalid_value':
      return wanted(issue, choiceOf(issue.values ?? []));
    case 'too_small':
      return issue.minimum === 1 && issue.origin === 'string'
        ? 'must not be empty'
        : `must ${sizeOf(issue, 'at least', issue.minimum)}`;
    case 'too_big':
      return `must ${sizeOf(issue, 'at most', issue.maximum)}`;
    case 'unrecognized_keys':
      return 'there is no such field';
    case 'invalid_key':
      return issue.issues?.[0]?.message ?? 'this name is not possible';
    case 'invalid_union':
      return eitherOf(issue.errors ?? []);
    default:
      return 'has a form that is not possible here';
  }
}

function wanted({ input }: Issue, what: string): string {
  return input === undefined ? `is missing; it must be ${what}` : `must be ${what}`;
}

function choiceOf(values: readonly unknown[]): string {
  const named = values.map((value) => JSON.stringify(value)).join(', ');
  return values.length === 1 ? named : `one of ${named}`;
}

function sizeOf({ origin }: Issue, bound: string, size: number | bigint | undefined): string {
  switch (origin) {
    case 'string':
      return `have ${bound} ${size} characters`;
    case 'array':
      return `have ${bound} ${size} ${size === 1 ? 'entry' : 'entries'}`;
    default:
      return `be ${bound} ${size}`;
  }
}

function eitherOf(choices: readonly (readonly { readonly message: string }[])[]): string {
  const words = choices.flatMap((issues) => issues.slice(0, 1)).map(({ message }) => message);
  return [...new Set(words)].join(', or ');
}
