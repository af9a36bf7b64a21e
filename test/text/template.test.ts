/** Placeholders: what they become, and what is said about those that cannot be used. Pure. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { isConstant, parseTemplate, render } from '../../src/text/template.ts';

const fields = ['firstName', 'city'];

function rendered(text: string, values: readonly (string | undefined)[]): string {
  const template = parseTemplate(text, fields);
  if (template.kind === 'error') return expect.unreachable(template.problems[0].message);
  return render(template, values);
}

function problemsOf(text: string): [string, number][] {
  const template = parseTemplate(text, fields);
  return template.kind === 'error' ? template.problems.map(({ reason, position }) => [reason, position]) : [];
}

test('template - fields take their places, as often as they are named', () => {
  expect(rendered('{{firstName}} de {{city}}, {{ firstName }} !', ['Anne', 'Lans'])).toBe('Anne de Lans, Anne !');
});

test('template - an empty or missing field becomes its fallback, or nothing', () => {
  expect(rendered('Bonjour {{firstName|cher voisin}}.', [''])).toBe('Bonjour cher voisin.');
  expect(rendered('Bonjour {{firstName|cher voisin}}.', [])).toBe('Bonjour cher voisin.');
  expect(rendered('Bonjour{{firstName}}.', [''])).toBe('Bonjour.');
});

test('template - what stands in a value is never read as a placeholder', () => {
  expect(rendered('{{firstName}} {{city}}', ['{{city}}', '$&'])).toBe('{{city}} $&');
});

test('template - single braces are text, and a text without placeholders is constant', () => {
  const template = parseTemplate('a {b} } c', fields);
  expect(template.kind === 'template' && isConstant(template)).toBe(true);
  expect(rendered('{x{{city}}}', ['', 'Lans'])).toBe('{xLans}');
});

test('template - every problem is named with its place', () => {
  expect(problemsOf('{{name}} et {{firstName')).toEqual([
    ['unknown-placeholder', 0],
    ['unclosed-placeholder', 12],
  ]);
  expect(problemsOf('{{firstName {{city}}')).toEqual([['unclosed-placeholder', 0]]);
  expect(problemsOf('a }} {{city}} }}')).toEqual([
    ['unopened-placeholder', 2],
    ['unopened-placeholder', 14],
  ]);
  expect(problemsOf('{{}}')).toEqual([['unknown-placeholder', 0]]);
});

test('template - any text is either a template or an error, and a constant renders as itself', () => {
  const pieces = fc.array(fc.constantFrom('{', '}', '{{', '}}', '|', 'city', 'firstName', ' ', 'é', 'x'));
  fc.assert(
    fc.property(pieces, (parts) => {
      const text = parts.join('');
      const template = parseTemplate(text, fields);
      if (template.kind === 'error') {
        for (const { position } of template.problems)
          expect(['{{', '}}']).toContain(text.slice(position, position + 2));
      } else if (isConstant(template)) expect(render(template, [])).toBe(text);
      else expect(text).toMatch(/\{\{ *(city|firstName) *(\||\}\})/u);
    }),
  );
});
