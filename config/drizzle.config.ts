/**
 * Where drizzle-kit finds the tables and puts migrations.
 * `npx drizzle-kit generate --config config/drizzle.config.ts --name WHAT` writes the next one.
 */
import { defineConfig } from 'drizzle-kit';

export default defineConfig({
  dialect: 'postgresql',
  schema: './src/db/schema.ts',
  out: './src/db/migrations',
});
