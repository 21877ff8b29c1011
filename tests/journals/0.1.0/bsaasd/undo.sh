# To undo run bsaasd (killed) by hand, as of 2025-09-16T03:09:11.006823883Z.
# Read each line before you run it: the cloud may have moved since, and nothing here looks.

# deploy-auth
gcloud run services update netra-auth-staging --image=us-central1-docker.pkg.dev/netra-staging/apps/auth@sha256:1170000000000000000000000000000000000000000000000000000000000117 --region=us-central1 --project=netra-staging

# deploy-auth/follow
gcloud run services update-traffic netra-auth-staging --to-latest --region=us-central1 --project=netra-staging

# scale-connector
# it cannot be undone
