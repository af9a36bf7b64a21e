/** The OpenAPI document, and a page to read it by that needs nothing from elsewhere. API process. */
import { OpenAPIHono } from '@hono/zod-openapi';
import { documentPage, type OpenApiDocument } from './document-page.ts';
import { problemKinds, problemType, type ProblemKind } from './problems.ts';

const kinds = Object.keys(problemKinds) as ProblemKind[];
const problemList = kinds
  .map((kind) => `- \`${problemType(kind)}\` (${problemKinds[kind].status}): ${problemKinds[kind].title}`)
  .join('\n');

const description = `Alert and information campaigns to residents.

Send a key as \`Authorization: Bearer tocsin_…\`. Ids are decimal text. Lists come in pages: send the \`next\` of
one page as the \`cursor\` of the following. Unknown fields are refused. What belongs to another organisation does
not exist.

Errors are problem details (RFC 9457). Their \`type\` is one of:

${problemList}`;

const bearer = { type: 'http', scheme: 'bearer' } as const;

/** Routes of the document and its page. `app` is the application that it describes. */
export function documentRoutes(app: OpenAPIHono) {
  const { openAPIRegistry } = app;
  openAPIRegistry.registerComponent('securitySchemes', 'organisationKey', {
    ...bearer,
    description: "An organisation's key.",
  });
  openAPIRegistry.registerComponent('securitySchemes', 'platformKey', {
    ...bearer,
    description: "The key of the platform's owner.",
  });
  let json: string | undefined;
  let page: string | undefined;
  const document = () => {
    json ??= JSON.stringify(
      app.getOpenAPI31Document({ openapi: '3.1.0', info: { title: 'Tocsin', version: '1', description } }),
    );
    return json;
  };
  const routes = new OpenAPIHono();
  routes.get('/openapi.json', (c) => c.body(document(), 200, { 'content-type': 'application/json' }));
  routes.get('/docs', (c) => {
    page ??= documentPage(JSON.parse(document()) as OpenApiDocument);
    return c.html(page, 200, { 'content-security-policy': "default-src 'none'; style-src 'unsafe-inline'" });
  });
  return routes;
}
