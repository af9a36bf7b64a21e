/** An OpenAPI document as one page of HTML: no script, no font, no image, nothing to fetch. Pure. */

/** A schema of the document, as far as the page shows it. */
export type DocumentSchema = {
  readonly $ref?: string;
  readonly type?: string | readonly string[];
  readonly format?: string;
  readonly description?: string;
  readonly enum?: readonly unknown[];
  readonly const?: unknown;
  readonly default?: unknown;
  readonly items?: DocumentSchema;
  readonly properties?: Readonly<Record<string, DocumentSchema>>;
  readonly additionalProperties?: DocumentSchema | boolean;
  readonly required?: readonly string[];
  readonly anyOf?: readonly DocumentSchema[];
  readonly oneOf?: readonly DocumentSchema[];
  readonly allOf?: readonly DocumentSchema[];
  readonly maxLength?: number;
  readonly minimum?: number;
  readonly maximum?: number;
};

type Content = Readonly<Record<string, { readonly schema?: DocumentSchema }>>;
type Parameter = {
  readonly name: string;
  readonly in: string;
  readonly required?: boolean;
  readonly description?: string;
  readonly schema?: DocumentSchema;
};

/** An operation of the document, as far as the page shows it. */
export type DocumentOperation = {
  readonly summary?: string;
  readonly description?: string;
  readonly tags?: readonly string[];
  readonly security?: readonly Readonly<Record<string, unknown>>[];
  readonly parameters?: readonly Parameter[];
  readonly requestBody?: { readonly content?: Content };
  readonly responses?: Readonly<Record<string, { readonly description?: string; readonly content?: Content }>>;
};

/** An OpenAPI 3.1 document, as far as the page shows it. */
export type OpenApiDocument = {
  readonly info: { readonly title: string; readonly description?: string };
  readonly paths: Readonly<Record<string, Readonly<Record<string, DocumentOperation>>>>;
  readonly components?: { readonly schemas?: Readonly<Record<string, DocumentSchema>> };
};

const style = `
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; color: #1b1b1b; }
h2 { border-bottom: 2px solid #ccc; margin-top: 3rem; } h3 { margin: 2rem 0 .2rem; }
code { font: .9em ui-monospace, monospace; background: #f2f2f2; padding: .1em .3em; border-radius: 3px; }
table { border-collapse: collapse; width: 100%; margin: .5rem 0; }
td, th { border: 1px solid #ccc; padding: .3rem .5rem; text-align: left; vertical-align: top; }
th { background: #f2f2f2; } a { color: #0b4f9e; }
@media (prefers-color-scheme: dark) { body { background: #161616; color: #e8e8e8; } code, th { background: #2a2a2a; }
a { color: #8ab8f0; } td, th { border-color: #444; } }`;

const escapes: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

function escape(text: string): string {
  return text.replace(/[&<>"']/gu, (character) => escapes[character] ?? character);
}

/** Text of a description: code in backquotes, lists and paragraphs. */
function prose(text: string | undefined): string {
  const coded = (line: string) => escape(line).replace(/`([^`]+)`/gu, '<code>$1</code>');
  return (text ?? '')
    .split('\n\n')
    .filter((block) => block.trim() !== '')
    .map((block) => {
      if (!block.startsWith('- ')) return `<p>${coded(block)}</p>`;
      const items = block.split('\n').map((line) => `<li>${coded(line.replace(/^- /u, ''))}</li>`);
      return `<ul>${items.join('')}</ul>`;
    })
    .join('');
}

/** A schema in a few words. */
function words(schema: DocumentSchema | undefined): string {
  if (schema === undefined) return '';
  if (schema.$ref !== undefined) {
    const name = escape(schema.$ref.split('/').at(-1) ?? '');
    return `<a href="#schema-${name}">${name}</a>`;
  }
  if (schema.enum !== undefined) {
    return schema.enum.map((value) => `<code>${escape(JSON.stringify(value))}</code>`).join(' | ');
  }
  if (schema.const !== undefined) return `<code>${escape(JSON.stringify(schema.const))}</code>`;
  const parts = schema.anyOf ?? schema.oneOf;
  if (parts !== undefined) return parts.map(words).join(' or ');
  if (schema.allOf !== undefined)
    return schema.allOf
      .map(words)
      .filter((word) => word !== '')
      .join(' and ');
  return plainWords(schema);
}

function plainWords(schema: DocumentSchema): string {
  const type = schema.type === undefined ? '' : [schema.type].flat().join(' or ');
  if (type.startsWith('array')) return `list of ${words(schema.items)}${type.includes('null') ? ' or null' : ''}`;
  if (schema.properties !== undefined) {
    const inner = Object.entries(schema.properties).map(([name, property]) => `${escape(name)}: ${words(property)}`);
    return `{ ${inner.join(', ')} }`;
  }
  if (typeof schema.additionalProperties === 'object') return `map of ${words(schema.additionalProperties)}`;
  const bounds = [
    schema.minimum === undefined ? '' : `from ${schema.minimum}`,
    schema.maximum === undefined ? '' : `to ${schema.maximum}`,
    schema.maxLength === undefined ? '' : `at most ${schema.maxLength} characters`,
    schema.default === undefined ? '' : `default ${JSON.stringify(schema.default)}`,
  ].filter((bound) => bound !== '');
  return escape([schema.format ?? type, ...bounds].join(', '));
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  if (rows.length === 0) return '';
  const cells = (row: readonly string[], tag: string) => row.map((cell) => `<${tag}>${cell}</${tag}>`).join('');
  const body = rows.map((row) => `<tr>${cells(row, 'td')}</tr>`).join('');
  return `<table><thead><tr>${cells(head, 'th')}</tr></thead><tbody>${body}</tbody></table>`;
}

function contentWords(content: Content | undefined): string {
  const entries = Object.entries(content ?? {});
  return entries.map(([type, { schema }]) => `<code>${escape(type)}</code> ${words(schema)}`).join(', ');
}

function operationHtml(path: string, method: string, operation: DocumentOperation): string {
  const keys = (operation.security ?? []).flatMap((scheme) => Object.keys(scheme));
  const parameters = (operation.parameters ?? []).map((parameter) => [
    `<code>${escape(parameter.name)}</code>`,
    `${escape(parameter.in)}${parameter.required === true ? ', required' : ''}`,
    `${words(parameter.schema)} ${prose(parameter.description ?? parameter.schema?.description)}`,
  ]);
  const body = contentWords(operation.requestBody?.content);
  const responses = Object.entries(operation.responses ?? {}).map(([status, response]) => [
    `<code>${escape(status)}</code>`,
    escape(response.description ?? ''),
    contentWords(response.content),
  ]);
  const needs = keys.length === 0 ? '' : `with ${escape(keys.join(' or '))}`;
  return `<h3>${escape(operation.summary ?? '')}</h3>
<p><code>${method.toUpperCase()} ${escape(path)}</code> ${needs}</p>
${prose(operation.description)}${table(['Parameter', 'In', 'What'], parameters)}
${body === '' ? '' : `<p>Body: ${body}</p>`}${table(['Answer', 'What', 'Body'], responses)}`;
}

function schemaHtml(name: string, schema: DocumentSchema): string {
  const rows = Object.entries(schema.properties ?? {}).map(([property, inner]) => [
    `<code>${escape(property)}</code>${schema.required?.includes(property) === true ? '' : ' (optional)'}`,
    words(inner),
    prose(inner.description),
  ]);
  const body = rows.length === 0 ? `<p>${words(schema)}</p>` : table(['Field', 'Type', 'What'], rows);
  return `<h3 id="schema-${escape(name)}">${escape(name)}</h3>${prose(schema.description)}${body}`;
}

/** The page of a document. */
export function documentPage(document: OpenApiDocument): string {
  const byTag = new Map<string, string[]>();
  for (const [path, operations] of Object.entries(document.paths)) {
    for (const [method, operation] of Object.entries(operations)) {
      const tag = operation.tags?.[0] ?? 'other';
      byTag.set(tag, [...(byTag.get(tag) ?? []), operationHtml(path, method, operation)]);
    }
  }
  const sections = [...byTag].map(([tag, html]) => `<h2 id="${escape(tag)}">${escape(tag)}</h2>${html.join('')}`);
  const links = [...byTag.keys(), 'schemas'].map((tag) => `<a href="#${escape(tag)}">${escape(tag)}</a>`);
  const schemas = Object.entries(document.components?.schemas ?? {}).map(([name, schema]) => schemaHtml(name, schema));
  return `<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>${escape(document.info.title)} API</title><style>${style}</style></head>
<body><h1>${escape(document.info.title)} API</h1>
<nav>${links.join(' · ')} · <a href="openapi.json">openapi.json</a></nav>
${prose(document.info.description)}${sections.join('')}<h2 id="schemas">schemas</h2>${schemas.join('')}</body></html>`;
}
