/**
 * What the bench `api` needs in the database, and its processes: an organisation, a list, one campaign that was sent to
 * it, and then the API and the bare application alone, over PostgreSQL and Redis. Main thread.
 */
import type { CampaignDraft } from '../api-client.ts';
import { type BenchCluster, boundlessCarrier } from '../cluster.ts';
import { createOrganisation, createResidents } from '../population.ts';
import { type RunningScript, startScript } from '../script.ts';
import { poolMax, startApiAlone } from './alone.ts';
import type { BareTask } from './bare.ts';

const stopMs = 10_000;
const campaignPollMs = 20;

/** What requests are about. */
export type Scene = {
  readonly organisation: string;
  readonly key: string;
  readonly list: string;
  /** A campaign that was sent to the list, receipts and all. */
  readonly sent: string;
  readonly draft: CampaignDraft;
};

/** Residents, a list of all of them, and a finished campaign. */
export async function setScene(cluster: BenchCluster, recipients: number, profile: string): Promise<Scene> {
  const { id: organisation, key } = await createOrganisation(cluster.sql, 'Bench');
  const [list = ''] = await createResidents(cluster.sql, organisation, { count: recipients, lists: 1 });
  await createBareTables(cluster);
  const draft: CampaignDraft = {
    name: 'bench',
    nature: 'alert',
    sender: 'BENCH',
    audience: { lists: [list] },
    contents: {
      fr: 'Bonjour {{firstName|voisin}}, vigilance orange crue de la Lys : évitez les berges.',
      en: 'Hello {{firstName|neighbour}}, orange flood warning for the river Lys: keep away from the banks.',
    },
    defaultLanguage: 'fr',
    validitySeconds: 86_400,
  };
  await cluster.start({ carriers: [boundlessCarrier], workers: 1, profile });
  const sent = await cluster.api.createCampaign(key, draft);
  await cluster.api.launch(key, sent);
  for (let status = ''; status !== 'completed'; ) {
    await new Promise((resolve) => setTimeout(resolve, campaignPollMs));
    ({ status } = await cluster.api.call<{ status: string }>('GET', `/campaigns/${sent}`, key));
  }
  await createBareRecipients(cluster);
  // From here on the API has the machine for itself: what it launches waits for a planner that is not there.
  await cluster.stopProcesses();
  return { organisation, key, list, sent, draft };
}

async function createBareTables(cluster: BenchCluster): Promise<void> {
  await cluster.sql.query(`
    create table bare_campaigns (id bigint generated always as identity primary key, name text not null,
      nature text not null, sender text not null, audience jsonb not null, contents jsonb not null,
      created_at timestamptz not null default now());
    create table bare_commands (id bigint generated always as identity primary key, campaign_id bigint not null,
      command text not null, created_at timestamptz not null default now())`);
}

/** One row for each recipient, which is how one would keep them who does not send millions. */
async function createBareRecipients(cluster: BenchCluster): Promise<void> {
  await cluster.sql.query(
    `create table bare_recipients as select b.campaign_id, b.first_ordinal + u.position::int - 1 as ordinal,
        u.resident as resident_id, u.packed as address
      from batches b join recipients f on f.campaign_id = b.campaign_id and f.batch = b.number,
        unnest(f.residents, string_to_array(f.packed, chr(30))) with ordinality as u (resident, packed, position)`,
  );
  await cluster.sql.query('alter table bare_recipients add primary key (campaign_id, ordinal)');
}

/** Drafts by SQL, to be launched; their ids. */
export async function createDrafts(cluster: BenchCluster, scene: Scene, count: number): Promise<string[]> {
  const { name, nature, sender, audience, contents, defaultLanguage, validitySeconds } = scene.draft;
  const { rows } = await cluster.sql.query<{ id: string }>(
    `insert into campaigns
      (organisation_id, name, nature, sender, audience, contents, default_language, validity_seconds)
      select $1, $2, $3, $4, $5, $6, $7, $8 from generate_series(1, $9::int) returning id`,
    [
      scene.organisation,
      name,
      nature,
      sender,
      JSON.stringify(audience),
      JSON.stringify(contents),
      defaultLanguage,
      validitySeconds,
      count,
    ],
  );
  return rows.map(({ id }) => id);
}

/** Both applications, freshly started, and their addresses. */
export type Applications = { readonly api: string; readonly bare: string; stop(): Promise<void> };

/** Starts the API and the bare application. */
export async function startApplications(cluster: BenchCluster, profile: string): Promise<Applications> {
  const api = await startApiAlone(cluster, profile);
  const bareTask: BareTask = { databaseUrl: cluster.ownerUrl, poolMax };
  let bare: RunningScript | undefined;
  const port = await new Promise<number>((resolve) => {
    bare = startScript('api/bare', bareTask, profile, (message) => resolve((message as { port: number }).port));
  });
  return {
    api: `http://127.0.0.1:${String(api.announced['port'])}`,
    bare: `http://127.0.0.1:${port}`,
    async stop() {
      bare?.tell({ kind: 'end' });
      await bare?.ended;
      await api.stop(stopMs);
    },
  };
}
