#!/usr/bin/env bash
# Finishes run 66kkj4xfgj (connector-exhaustion) by hand, as of 2025-09-16T03:21:07.074211792Z.
# Read it before you run it. Each command first reads the resource: what is already as wanted is skipped, and
# the script stops at what another principal changed.
set -euo pipefail

# Whether $1 is to be changed: it is as expected ($2). If it is already as wanted ($3), it is skipped.
is_to_do() {
  if [ "$4" = "$2" ]; then return 0; fi
  if [ "$4" = "$3" ]; then echo "$1 is already as wanted." >&2; return 1; fi
  printf '%s is not as this script expects: somebody else changed it. Nothing more is done.\n  expected  %s\n  found     %s\n' \
    "$1" "$2" "$4" >&2
  exit 1
}
# Goes on only if $1 is as wanted ($2).
must_be_done() {
  if [ "$3" = "$2" ]; then return 0; fi
  printf '%s is not as what follows needs it. Nothing more is done.\n  needed  %s\n  found   %s\n' "$1" "$2" "$3" >&2
  exit 1
}
# The shares of Cloud Run service $1 in region $2 of project $3.
shares() {
  gcloud run services describe "$1" --region="$2" --project="$3" --flatten='spec.traffic[]' \
    --format='csv[no-heading](spec.traffic.revisionName,spec.traffic.latestRevision,spec.traffic.percent)' |
    awk -F, '$3 > 0 { share[$1 == "" ? "LATEST" : $1] += $3 } END { for (name in share) print name "=" share[name] }' |
    LC_ALL=C sort | paste -sd, -
}
# The revision that tag $4 of the same service leads to.
tagged() {
  gcloud run services describe "$1" --region="$2" --project="$3" --flatten='spec.traffic[]' \
    --format='csv[no-heading](spec.traffic.revisionName,spec.traffic.tag)' |
    awk -F, -v tag="$4" '$2 == tag { revision = $1 } END { print revision }'
}
# The flags of database instance $1 in project $2: those of the names $3, or with "others" as $4 all but those.
flags_of() {
  gcloud sql instances describe "$1" --project="$2" --flatten='settings.databaseFlags[]' \
    --format='value[separator="="](settings.databaseFlags.name,settings.databaseFlags.value)' |
    awk -F= -v names=" $3 " -v which="${4:-these}" \
      '$1 != "" && (index(names, " " $1 " ") > 0) == (which == "these")' |
    LC_ALL=C sort
}

# deploy-backend/revision
found=$(gcloud run services describe netra-backend-staging --region=us-central1 --project=netra-staging --format='value(spec.template.spec.containers[0].image)')
if is_to_do 'gcp.run.service netra-backend-staging' us-central1-docker.pkg.dev/netra-staging/apps/backend@sha256:7500000000000000000000000000000000000000000000000000000000000750 us-central1-docker.pkg.dev/netra-staging/apps/backend@sha256:7510000000000000000000000000000000000000000000000000000000000751 "$found"; then
  gcloud run services update netra-backend-staging --image=us-central1-docker.pkg.dev/netra-staging/apps/backend@sha256:7510000000000000000000000000000000000000000000000000000000000751 --revision-suffix=00003-nkl --region=us-central1 --project=netra-staging
fi

# deploy-backend/candidate
found=$(tagged netra-backend-staging us-central1 netra-staging cand)
if is_to_do 'gcp.run.traffic netra-backend-staging' '' netra-backend-staging-00003-nkl "$found"; then
  gcloud run services update-traffic netra-backend-staging --update-tags='cand=netra-backend-staging-00003-nkl' --region=us-central1 --project=netra-staging
fi
# then: backend, golden-path healthy for 1m (every 5s, timeout 30m)

# deploy-backend/shift-10
found=$(shares netra-backend-staging us-central1 netra-staging)
if is_to_do 'gcp.run.traffic netra-backend-staging' 'netra-backend-staging-00750-69k=100' 'netra-backend-staging-00003-nkl=10,netra-backend-staging-00750-69k=90' "$found"; then
  gcloud run services update-traffic netra-backend-staging --to-revisions='netra-backend-staging-00003-nkl=10,netra-backend-staging-00750-69k=90' --region=us-central1 --project=netra-staging
fi
# then: backend, golden-path healthy for 1m (every 5s, timeout 30m)

# deploy-backend/shift-50
found=$(shares netra-backend-staging us-central1 netra-staging)
if is_to_do 'gcp.run.traffic netra-backend-staging' 'netra-backend-staging-00003-nkl=10,netra-backend-staging-00750-69k=90' 'netra-backend-staging-00003-nkl=50,netra-backend-staging-00750-69k=50' "$found"; then
  gcloud run services update-traffic netra-backend-staging --to-revisions='netra-backend-staging-00003-nkl=50,netra-backend-staging-00750-69k=50' --region=us-central1 --project=netra-staging
fi
# then: backend, golden-path healthy for 1m (every 5s, timeout 30m)

# deploy-backend/shift-100
found=$(shares netra-backend-staging us-central1 netra-staging)
if is_to_do 'gcp.run.traffic netra-backend-staging' 'netra-backend-staging-00003-nkl=50,netra-backend-staging-00750-69k=50' 'netra-backend-staging-00003-nkl=100' "$found"; then
  gcloud run services update-traffic netra-backend-staging --to-revisions='netra-backend-staging-00003-nkl=100' --region=us-central1 --project=netra-staging
fi
# then: backend, golden-path healthy for 2m (every 5s, timeout 30m)
