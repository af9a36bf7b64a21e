/**
 * What an author is told about a campaign's texts before it is launched: what is wrong with them, and what
 * sending them takes. Runs in the API. Uses the encoder's own functions, so that a preview cannot differ from
 * what is sent. Problems are values; nothing here throws. Pure.
 */

import { type Contents, recipientFields } from '../handoff.ts';
import { type DefaultAlphabet, unitsInDefault } from './alphabet.ts';
import { describeText, type LongForm, segmentText, type TextDescription, unitsWhole } from './segment.ts';
import {
  isConstant,
  parseTemplate,
  render,
  type Template,
  type TemplateError,
  type TemplateProblemReason,
} from './template.ts';

/** A field of a recipient that a text may use. */
export type RecipientField = (typeof recipientFields)[number];
/** One recipient's fields, as far as they are known. */
export type RecipientValues = Readonly<Partial<Record<RecipientField, string>>>;

/** What can be wrong with a campaign's texts. */
export type ContentProblemReason =
  | TemplateProblemReason
  | 'no-contents'
  | 'default-language-missing'
  | 'language-tag'
  | 'empty-text'
  | 'control-character'
  | 'broken-character';

/** One thing wrong with a campaign's texts. */
export type ContentProblem = {
  /** The part at fault: `contents`, `contents.fr`, `defaultLanguage`. */
  readonly path: string;
  readonly reason: ContentProblemReason;
  readonly message: string;
  /** UTF-16 offset in the text, where one place is at fault. */
  readonly position?: number;
};

/** What sending one text takes. */
export type TextPreview = TextDescription & {
  readonly kind: 'preview';
  /** The text as the ordinary recipient reads it. */
  readonly text: string;
  /** True when the text differs from recipient to recipient. */
  readonly personalised: boolean;
};

/** How the texts will travel, as in `EncodeProfile`. */
export type PreviewOptions = { readonly longMessages: LongForm; readonly defaultAlphabet?: DefaultAlphabet };

/** The recipient of previews when none is given. */
export const sampleRecipient: Readonly<Record<RecipientField, string>> = {
  firstName: 'Camille',
  lastName: 'Durand',
  street: '12 rue des Lilas',
  postcode: '00100',
  city: 'Exempleville',
};

/** Everything that is wrong with a campaign's texts, in order; empty when they may be sent. */
export function contentProblems(contents: Contents, defaultLanguage: string): ContentProblem[] {
  const languages = Object.keys(contents);
  if (languages.length === 0) {
    return [{ path: 'contents', reason: 'no-contents', message: 'a campaign needs a text in one language at least' }];
  }
  const problems = languages.flatMap((language) => textProblems(language, contents[language] ?? ''));
  if (!Object.hasOwn(contents, defaultLanguage)) {
    const message = `there is no text for the default language ${JSON.stringify(defaultLanguage)}`;
    problems.push({ path: 'defaultLanguage', reason: 'default-language-missing', message });
  }
  return problems;
}

function textProblems(language: string, text: string): ContentProblem[] {
  const path = `contents.${language}`;
  const problems: ContentProblem[] = [];
  if (!/^[a-z]{2,3}$/u.test(language)) {
    const message = 'a language is given by its primary tag of two or three small letters, such as fr';
    problems.push({ path, reason: 'language-tag', message });
  }
  if (text.trim() === '') return [...problems, { path, reason: 'empty-text', message: 'the text is empty' }];
  // Line feed and carriage return are in every alphabet of SMS, form feed is in the extension of GSM.
  const control = text.search(/(?![\n\r\f])\p{Cc}/u);
  if (control >= 0) {
    const message = 'the text holds a control character (a tab counts as one)';
    problems.push({ path, reason: 'control-character', message, position: control });
  }
  const surrogate = text.search(/\p{Surrogate}/u);
  if (surrogate >= 0) {
    const message = 'the text holds half a character';
    problems.push({ path, reason: 'broken-character', message, position: surrogate });
  }
  const template = parseTemplate(text, recipientFields);
  if (template.kind === 'error') problems.push(...template.problems.map((problem) => ({ path, ...problem })));
  return problems;
}

/** What sending `text` takes, for `values` as the ordinary recipient; or what is wrong with its placeholders. */
export function previewText(
  text: string,
  options: PreviewOptions,
  values: RecipientValues = sampleRecipient,
): TextPreview | TemplateError {
  const template = parseTemplate(text, recipientFields);
  if (template.kind === 'error') return template;
  const sent = render(template, inOrder(values));
  return {
    kind: 'preview',
    text: sent,
    personalised: !isConstant(template),
    ...describeText(sent, options.longMessages, options.defaultAlphabet),
  };
}

/**
 * Segments that `text` takes for each of `readers`, whose values are in the order of `fields`: those that the text may
 * use. Empty when something is wrong with its placeholders.
 */
export function segmentsForEach(
  text: string,
  { longMessages, defaultAlphabet = 'gsm' }: PreviewOptions,
  fields: readonly RecipientField[],
  readers: readonly (readonly string[])[],
): number[] {
  const template = parseTemplate(text, fields);
  if (template.kind === 'error') return [];
  const own = unitsOf(template.literals, defaultAlphabet);
  const whole = unitsWhole(defaultAlphabet);
  return readers.map((reader) => {
    // Units of parts add up, so that most texts need not be put together to see that they fit.
    const units = own + unitsOf(valuesOf(template, reader), defaultAlphabet);
    return units <= whole ? 1 : segmentText(render(template, reader), longMessages, defaultAlphabet).ends.length;
  });
}

function valuesOf({ placeholders }: Template, reader: readonly string[]): string[] {
  return placeholders.map(({ field, fallback }) => reader[field] || fallback);
}

/** Units of all parts in the default alphabet; not a number when it cannot say one of them. */
function unitsOf(parts: readonly string[], alphabet: DefaultAlphabet): number {
  return parts.reduce((sum, part) => sum + (unitsInDefault(part, alphabet) ?? Number.NaN), 0);
}

function inOrder(values: RecipientValues): (string | undefined)[] {
  return recipientFields.map((field) => values[field]);
}
