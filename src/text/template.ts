/**
 * Texts with placeholders: `{{firstName}}`, or `{{firstName|neighbour}}` with what to say when the field is
 * empty. Runs in encoder threads (rendering) and the API (checking). A single brace is text; there is no
 * escape, logic or nesting, so that what an author sees is what is sent. Pure.
 */

/** A place in a text where a recipient's field goes. */
export type Placeholder = {
  /** Index into the field list that the template was parsed with. */
  readonly field: number;
  /** Used when the field is empty or missing; may be empty. */
  readonly fallback: string;
};

/** A parsed text: `literals[0] placeholders[0] literals[1] …`, one literal more than placeholders. */
export type Template = {
  readonly kind: 'template';
  readonly literals: readonly [string, ...string[]];
  readonly placeholders: readonly Placeholder[];
};

/** What can be wrong with a placeholder. */
export type TemplateProblemReason = 'unknown-placeholder' | 'unclosed-placeholder' | 'unopened-placeholder';

/** One thing wrong with a text. */
export type TemplateProblem = {
  readonly reason: TemplateProblemReason;
  /** UTF-16 offset of the braces at fault. */
  readonly position: number;
  readonly message: string;
};

/** A text that is no template, with everything that is wrong with it, in order. */
export type TemplateError = {
  readonly kind: 'error';
  readonly problems: readonly [TemplateProblem, ...TemplateProblem[]];
};

/** Parses `text`. `fields` are the names that placeholders may use, in the order in which `render` gets values. */
export function parseTemplate(text: string, fields: readonly string[]): Template | TemplateError {
  const literals: [string, ...string[]] = [''];
  const placeholders: Placeholder[] = [];
  const problems: TemplateProblem[] = [];
  let at = 0;
  for (let open = text.indexOf('{{'); open >= 0; open = text.indexOf('{{', at)) {
    problems.push(...strayClosings(text, at, open));
    literals[literals.length - 1] = text.slice(at, open);
    const close = text.indexOf('}}', open + 2);
    const nested = text.indexOf('{{', open + 2);
    if (close < 0 || (nested >= 0 && nested < close)) {
      problems.push(problem('unclosed-placeholder', open, 'a placeholder that begins with {{ does not end with }}'));
      at = open + 2;
      continue;
    }
    const placeholder = parsePlaceholder(text.slice(open + 2, close), fields);
    if (typeof placeholder === 'string') problems.push(problem('unknown-placeholder', open, placeholder));
    else placeholders.push(placeholder);
    literals.push('');
    at = close + 2;
  }
  problems.push(...strayClosings(text, at, text.length));
  literals[literals.length - 1] = text.slice(at);
  const [first, ...rest] = problems;
  if (first !== undefined) return { kind: 'error', problems: [first, ...rest] };
  return { kind: 'template', literals, placeholders };
}

/** A placeholder from what stands between its braces, or a message when no field has that name. */
function parsePlaceholder(inner: string, fields: readonly string[]): Placeholder | string {
  const bar = inner.indexOf('|');
  const name = (bar < 0 ? inner : inner.slice(0, bar)).trim();
  const field = fields.indexOf(name);
  if (field < 0) return `{{${name}}} is not a field of a recipient; there are ${fields.join(', ')}`;
  return { field, fallback: bar < 0 ? '' : inner.slice(bar + 1) };
}

function strayClosings(text: string, start: number, end: number): TemplateProblem[] {
  const position = text.slice(start, end).indexOf('}}');
  if (position < 0) return [];
  return [problem('unopened-placeholder', start + position, 'braces close with }} but were not opened with {{')];
}

function problem(reason: TemplateProblemReason, position: number, message: string): TemplateProblem {
  return { reason, position, message };
}

/** True when every recipient gets the same text. */
export function isConstant(template: Template): boolean {
  return template.placeholders.length === 0;
}

/** The text for one recipient. `values` are in the order of the template's fields; missing ones are empty. */
export function render(template: Template, values: readonly (string | undefined)[]): string {
  let text = template.literals[0];
  for (let index = 0; index < template.placeholders.length; index += 1) {
    const placeholder = template.placeholders[index];
    const value = placeholder === undefined ? '' : values[placeholder.field] || placeholder.fallback;
    text += value + (template.literals[index + 1] ?? '');
  }
  return text;
}
