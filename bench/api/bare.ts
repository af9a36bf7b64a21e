/**
 * What the API is measured beside: a bare Hono application whose routes do one INSERT or SELECT each through `pg`, as
 * the database's owner, without validation, keys, organisations or row-level security. A process of its own.
 */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { getRequestListener } from '@hono/node-server';
import { Hono } from 'hono';
import pg from 'pg';
import { taskOfScript } from '../script.ts';

/** What the process is told. */
export type BareTask = { readonly databaseUrl: string; readonly poolMax: number };

const { databaseUrl, poolMax } = taskOfScript<BareTask>();
const pool = new pg.Pool({ connectionString: databaseUrl, max: poolMax });

const insertCampaign = {
  name: 'bare_create',
  text: `insert into bare_campaigns (name, nature, sender, audience, contents) values ($1, $2, $3, $4, $5)
    returning *`,
};
const insertCommand = {
  name: 'bare_launch',
  text: 'insert into bare_commands (campaign_id, command) values ($1, $2) returning *',
};
/**
 * How many of a list can be reached, by language, and their first names, which decide how long the draft's texts get:
 * what a preview cannot do without.
 */
const selectAudience = {
  name: 'bare_preview',
  text: `select r.language, count(*)::int as recipients, array_agg(r.first_name) as readers
    from list_members m join residents r on r.organisation_id = m.organisation_id and r.id = m.resident_id
      join contact_points p on p.organisation_id = r.organisation_id and p.resident_id = r.id
        and p.channel = 'sms' and p.opted_out_at is null
    where m.list_id = $1 group by r.language`,
};
const selectProgress = {
  name: 'bare_progress',
  text: 'select * from campaign_progress where campaign_id = $1',
};
const selectResults = {
  name: 'bare_results',
  text: `select c.ordinal, c.resident_id, c.address, r.first_name, r.last_name
    from bare_recipients c join residents r on r.id = c.resident_id
      and r.organisation_id = (select organisation_id from campaigns where id = $1)
    where c.campaign_id = $1 order by c.ordinal limit $2`,
};

type Created = { name: string; nature: string; sender: string; audience: object; contents: object };

const app = new Hono();
app.post('/create', async (c) => {
  const { name, nature, sender, audience, contents } = await c.req.json<Created>();
  const values = [name, nature, sender, JSON.stringify(audience), JSON.stringify(contents)];
  const { rows } = await pool.query({ ...insertCampaign, values });
  return c.json(rows[0] as object, 201);
});
app.post('/launch/:id', async (c) => {
  const { rows } = await pool.query({ ...insertCommand, values: [c.req.param('id'), 'launch'] });
  return c.json(rows[0] as object, 202);
});
app.get('/preview/:list', async (c) => {
  const { rows } = await pool.query({ ...selectAudience, values: [c.req.param('list')] });
  return c.json(rows);
});
app.get('/progress/:id', async (c) => {
  const { rows } = await pool.query({ ...selectProgress, values: [c.req.param('id')] });
  return c.json(rows[0] as object);
});
app.get('/results/:id', async (c) => {
  const { rows } = await pool.query({ ...selectResults, values: [c.req.param('id'), c.req.query('limit')] });
  return c.json(rows);
});

const listener = getRequestListener(app.fetch);
const server = createServer((request, response) => void listener(request, response));
server.listen(0, '127.0.0.1', () => process.send?.({ port: (server.address() as AddressInfo).port }));
process.on('message', () => process.exit(0));
