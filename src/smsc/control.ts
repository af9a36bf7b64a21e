/**
 * HTTP control of a simulator, on loopback only: counts out, changes of behaviour in. Runs beside the SMPP server
 * on the same thread.
 *
 *   GET /stats · GET /behaviour · POST /behaviour (a JSON object of changes) · POST /disconnect
 */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { isFault } from '../fault.ts';
import { closeServer, listen } from './listening.ts';
import type { Smsc } from './server.ts';

const bodyBytesMax = 1 << 16;

/** The running control server. */
export type Control = { readonly port: number; close(): Promise<void> };

type Controlled = Pick<Smsc, 'stats' | 'behaviour' | 'setBehaviour' | 'disconnectAll'>;
type Answer = { readonly status: number; readonly body: unknown };

/** Starts the control server of `smsc`; `port` 0 takes a free one. */
export async function startControl(smsc: Controlled, port: number): Promise<Control> {
  const server = createServer((request, response) => {
    handle(smsc, request).then(
      (answer) => send(response, answer),
      // Only a request that broke off gets here: there is nobody left to answer.
      () => response.destroy(),
    );
  });
  const taken = await listen(server, port, '127.0.0.1');
  return {
    port: taken,
    close() {
      const closed = closeServer(server);
      server.closeAllConnections();
      return closed;
    },
  };
}

async function handle(smsc: Controlled, request: IncomingMessage): Promise<Answer> {
  switch (`${request.method} ${request.url}`) {
    case 'GET /stats':
      return { status: 200, body: smsc.stats() };
    case 'GET /behaviour':
      return { status: 200, body: smsc.behaviour() };
    case 'POST /behaviour':
      return change(smsc, await bodyOf(request));
    case 'POST /disconnect':
      smsc.disconnectAll();
      return { status: 200, body: smsc.stats() };
    default:
      return { status: 404, body: { error: 'GET /stats, GET /behaviour, POST /behaviour and POST /disconnect exist' } };
  }
}

function change(smsc: Controlled, body: string | undefined): Answer {
  if (body === undefined) return { status: 413, body: { error: `a body has at most ${bodyBytesMax} bytes` } };
  try {
    smsc.setBehaviour(JSON.parse(body) as Parameters<Smsc['setBehaviour']>[0]);
    return { status: 200, body: smsc.behaviour() };
  } catch (error) {
    if (isFault(error, 'input')) return { status: 400, body: { error: error.message, details: error.details } };
    if (error instanceof SyntaxError) return { status: 400, body: { error: 'the body is not JSON' } };
    throw error;
  }
}

async function bodyOf(request: IncomingMessage): Promise<string | undefined> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > bodyBytesMax) return undefined;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

function send(response: ServerResponse, answer: Answer): void {
  response.writeHead(answer.status, { 'content-type': 'application/json' });
  response.end(`${JSON.stringify(answer.body)}\n`);
}
