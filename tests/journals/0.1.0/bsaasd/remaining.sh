# To finish run bsaasd (killed) by hand, as of 2025-09-16T03:09:11.006823883Z.
# Read each line before you run it: the cloud may have moved since, and nothing here looks.

# deploy-auth
gcloud run services update netra-auth-staging --image=us-central1-docker.pkg.dev/netra-staging/apps/auth@sha256:1180000000000000000000000000000000000000000000000000000000000118 --revision-suffix=00002-hrd --region=us-central1 --project=netra-staging
# then: auth healthy for 5s, looked at every 5s, within 5m
