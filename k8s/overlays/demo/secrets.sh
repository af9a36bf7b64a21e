#!/bin/sh
# Makes the demonstration's secrets, by chance, into secrets/ beside this file, which Git ignores. Once: the roles of a
# database that exists know the passwords of before.
set -eu
cd "$(dirname "$0")"
if [ -e secrets ]; then
  echo "secrets/ exists already" >&2
  exit 1
fi
umask 077
mkdir secrets
random() { od -An -N"$1" -tx1 /dev/urandom | tr -d ' \n'; }
owner=$(random 16) api=$(random 16) service=$(random 16) redis=$(random 16)

cat > secrets/postgres.env <<END
owner-password=$owner
owner-url=postgres://tocsin:$owner@postgres:5432/tocsin
api-password=$api
api-url=postgres://tocsin_api:$api@postgres:5432/tocsin
service-password=$service
service-url=postgres://tocsin_service:$service@postgres:5432/tocsin
END
{
  echo "password=$redis"
  for process in api planner worker recorder; do echo "$process-url=redis://:$redis@valkey:6379"; done
} > secrets/redis.env
echo "key=tocsin-platform-$(random 24)" > secrets/platform.env
# SMPP allows eight characters.
printf 'north=%s\nsouth=%s\n' "$(random 4)" "$(random 4)" > secrets/carriers.env
